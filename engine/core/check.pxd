"""What bytes from outside must be before the core reads them."""

from engine.core.event cimport event_t

cdef bint body_fits(const event_t* e) noexcept nogil
cdef int check_event(const event_t* e) except -1
cdef const event_t* checked(bytes event) except NULL
cdef int check_input(const event_t* event) except -1
cdef int check_batch(const char* start, size_t length) except -1

cdef enum:
    FRAME_MOST = 1 << 23  # bytes of a frame or document; above this it is refused as malformed


cdef inline size_t padded_bytes(const event_t* event) noexcept nogil:
    """How many bytes of a batch an event takes."""
    return (sizeof(event_t) + event.length + 7) & ~<size_t>7
