"""What comes out of the core: journaled, and then acted on."""

from engine.core.engine cimport Engine
from engine.core.outlet cimport Outlet
from engine.core.risk.gate cimport Approved
from engine.execution.executor cimport Executor
from native.log_writer cimport LogWriter


cdef class Outputs(Outlet):
    cdef readonly Engine core
    cdef readonly LogWriter journal
    cdef readonly dict stages
    cdef readonly dict counters
    cdef readonly bint journal_failed
    cdef object rim
    cdef Executor executor             # where approvals go; without one, to the rim
    cdef bint busy
    cdef list due                      # approved cancels that are to go next
    cdef size_t kept                   # how much of the core's output is in the journal
    cdef set refusing                  # orders of which the core hears that a cancel could not be sent
    cdef public bint is_followed       # more was read with what is in process, and waits behind it

    cdef int tell(self, str what, error) except -1
    cdef int lose_journal(self) except -1
    cdef int keep_outputs(self) except -1
    cdef int hand_out(self, bytes outputs) except -1
    cdef int send(self, list approvals) except -1
    cdef int send_due(self) except -1
    cdef int flush_due(self) except -1
    cdef int submit_cancel(self, Approved approved) except -1
    cdef int refuse_cancel(self, Approved approved, str text) except -1
    cdef int try_quick_cancel(self, Approved approved) except -1
    cdef int submit(self, Approved approved) except -1
    cdef int let_overtake(self) except -1
