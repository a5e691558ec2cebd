"""Where the core's outputs may leave before an event is done: what cannot wait for the others that it asks for."""


cdef class Outlet:
    """Without one bound, as in a replay, all leave at the end."""

    cdef int on_first_cancel(self) except -1:
        """The first of several is decided: record what the core has put out so far, and act on what it has approved. Nothing may
        come into the core from here."""
        return 0
