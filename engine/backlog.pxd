"""How much of what was read may be taken in now."""

from libc.stdint cimport int64_t, uint64_t


cdef class Backlog:
    cdef const uint64_t* turn          # how many turns the loop has made; NULL: not known
    cdef uint64_t spent_turn           # the turn that spent_ns is of
    cdef int64_t spent_ns
    cdef readonly int64_t conflate_ns
    cdef void spend(self, int64_t ns) noexcept
    cdef bint is_spent(self) noexcept
