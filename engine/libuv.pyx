"""Native functions that libuv calls once a turn of a uvloop loop, which uvloop itself does not offer.

An idle handle is called in each turn, and while one is started the loop polls its sockets without waiting; a prepare handle is
called right before the loop polls or waits. libuv's own functions are taken from uvloop's library.
"""

from libc.stdlib cimport calloc, free

from cpython.pycapsule cimport PyCapsule_GetPointer

import os

from uvloop import Loop
from uvloop import loop as uvloop_library

cdef extern from "<dlfcn.h>" nogil:
    enum:
        RTLD_NOLOAD
        RTLD_NOW
    void* dlopen(const char* name, int mode)
    void* dlsym(void* library, const char* name)

ctypedef int (*init_fn)(void* loop, void* handle) noexcept nogil
ctypedef void (*unref_fn)(void* handle) noexcept nogil
ctypedef void (*close_fn)(void* handle, handle_cb closed) noexcept nogil
ctypedef size_t (*size_fn)(int kind) noexcept nogil


cdef class Libuv:
    """libuv's functions, and its loop behind a uvloop loop that runs in this thread. OSError where there are none to find."""

    def __cinit__(self, loop):
        if not isinstance(loop, Loop):
            raise OSError(f"{type(loop).__name__} is no loop of uvloop")
        name = os.fsencode(uvloop_library.__file__)
        self.library = dlopen(<const char*>name, RTLD_NOW | RTLD_NOLOAD)
        if self.library == NULL:
            raise OSError("uvloop's library is not loaded")
        self.loop = PyCapsule_GetPointer(uvloop_library.libuv_get_loop_t_ptr(loop), NULL)

    cdef void* function(self, const char* name) except NULL:
        cdef void* found = dlsym(self.library, name)
        if found == NULL:
            raise OSError(f"uvloop's library does not show {name.decode()}")
        return found


cdef void on_closed(void* handle) noexcept nogil:
    free(handle)


cdef class EachTurn:
    """A function for each turn of the loop, from `start()` to `stop()`. It runs without the interpreter's lock."""

    cdef int open(self, Libuv uv, Each kind, handle_cb called, void* about) except -1:
        """`about` is what `about_of` its handle answers. OSError where libuv's functions are not found."""
        cdef bint is_idle = kind == EACH_IDLE
        self.uv, self.called = uv, called
        self.start_handle = <start_fn>uv.function(b"uv_idle_start" if is_idle else b"uv_prepare_start")
        self.stop_handle = <stop_fn>uv.function(b"uv_idle_stop" if is_idle else b"uv_prepare_stop")
        init = <init_fn>uv.function(b"uv_idle_init" if is_idle else b"uv_prepare_init")
        unref = <unref_fn>uv.function(b"uv_unref")
        uv.function(b"uv_close")
        self.handle = calloc(1, (<size_fn>uv.function(b"uv_handle_size"))(kind))
        if self.handle == NULL:
            raise MemoryError("no memory for a libuv handle")
        init(uv.loop, self.handle)
        unref(self.handle)
        (<void**>self.handle)[0] = about
        return 0

    cdef void start(self) noexcept:
        self.start_handle(self.handle, self.called)

    cdef void stop(self) noexcept:
        self.stop_handle(self.handle)

    cdef int close(self) except -1:
        """For good; before the loop is closed, and with at least one turn to come, in which libuv lets go of the handle."""
        if self.handle != NULL:
            self.stop()
            (<close_fn>self.uv.function(b"uv_close"))(self.handle, on_closed)
            self.handle = NULL
        return 0
