"""What bytes from outside must be before the core reads them."""

from engine.core.event cimport event_t

cdef bint body_fits(const event_t* e) noexcept nogil
cdef int check_event(const event_t* e) except -1
cdef const event_t* checked(bytes event) except NULL
