"""The core's side of the control socket."""

from libc.stdint cimport uint64_t

from engine.lookout cimport Lookout
from engine.quick_command cimport QuickCommand


cdef class _Client:
    cdef readonly object link
    cdef int file
    cdef bytes received
    cdef object timer
    cdef bint is_listened_to


cdef class ControlServer(Lookout):
    cdef object _run_dir
    cdef object _handler
    cdef object _acknowledge
    cdef QuickCommand _quick
    cdef object _uid
    cdef object _listener
    cdef object _ready
    cdef object _ear
    cdef object _mouth
    cdef dict _clients
    cdef set _tasks
    cdef readonly dict _answers
    cdef readonly object refused
    cdef bint _is_working
    cdef _Client _nearest              # of those that are listened to one of the last
    cpdef work(self)
    cdef _accept(self, listener)
    cdef _listen_to(self, _Client client)
    cdef _forget_nearest(self, _Client client)
    cdef _listen_no_more(self, _Client client)
    cpdef _answer(self, _Client client, begun)
    cdef _read(self, _Client client)
    cdef _take_request(self, _Client client, begun=*)
    cpdef _drop(self, _Client client, counter=*)
    cdef _begin(self, request, begun)
    cdef _ask(self, request, begun)
