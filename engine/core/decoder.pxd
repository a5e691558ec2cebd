"""What turns a venue's raw bytes into one event. Adapters fill this slot; replay runs the same code."""

from libc.stdint cimport int64_t

from engine.core.event cimport event_t


cdef class FrameDecoder:
    cdef int decode(self, const char* frame, size_t length, event_t* header, char* body, size_t capacity) except -1
