"""Types for clock.py."""


cdef class VenueClock:
    cdef readonly long long offset_ns
    cdef readonly long long rtt_ns
    cdef readonly long long measured_at_ns
    cpdef long long timestamp_ms(self, long long now_ns)
