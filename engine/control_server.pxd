"""Types for control_server.py: a command's way in is compiled."""


cdef class _Client:
    cdef readonly object link
    cdef bytes received
    cdef object timer


cdef class ControlServer:
    cdef object _run_dir
    cdef object _handler
    cdef object _rehearsal
    cdef object _uid
    cdef object _listener
    cdef object _ready
    cdef object _ear
    cdef object _mouth
    cdef dict _clients
    cdef set _tasks
    cdef readonly object _answers
    cdef readonly object refused
    cdef bint _is_working
    cpdef work(self)
    cpdef rehearse(self)
    cdef _accept(self, listener)
    cdef _listen_to(self, _Client client)
    cdef _read(self, _Client client)
    cdef _take_request(self, _Client client)
    cpdef _drop(self, _Client client, counter=*)
    cdef _begin(self, request)
    cdef _ask(self, request)
