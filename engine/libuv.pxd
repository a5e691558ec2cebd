"""Native functions that libuv calls once a turn of a uvloop loop."""

ctypedef void (*handle_cb)(void* handle) noexcept nogil
ctypedef int (*start_fn)(void* handle, handle_cb called) noexcept nogil
ctypedef int (*stop_fn)(void* handle) noexcept nogil

cdef enum Each:
    EACH_IDLE = 6       # uv_handle_type
    EACH_PREPARE = 9


cdef class Libuv:
    cdef void* library
    cdef void* loop

    cdef void* function(self, const char* name) except NULL


cdef class EachTurn:
    cdef Libuv uv
    cdef void* handle
    cdef handle_cb called
    cdef start_fn start_handle
    cdef stop_fn stop_handle

    cdef int open(self, Libuv uv, Each kind, handle_cb called, void* about) except -1
    cdef void start(self) noexcept
    cdef void stop(self) noexcept
    cdef int close(self) except -1


cdef inline void* about_of(void* handle) noexcept nogil:
    """What a handle was opened with; `data` is the first field of each."""
    return (<void**>handle)[0]
