"""An adapter's shortest way out, tried by the executor before the ordinary one."""

from engine.core.risk.gate cimport Approved


cdef class QuickLane:
    """What an adapter may offer beside `place` and `cancel` (`Adapter.quick_lane`).

    `began_ns` and `sent_ns`, CLOCK_MONOTONIC, are set by a `take` that sends: when it began, and when it had sent.
    """

    cpdef object take(self, Approved approved):
        """Redeem an approved order or cancel and put its bytes on the wire, all within this call.

        Answers what makes the awaitable of its Evidence: called once, as soon as what was read is processed, so that what the
        bytes do not need is done then. None where it cannot go at once, for whatever reason: then nothing was sent, and the
        approval is as it was. A rehearsal (`Approved.is_rehearsal`) comes here many times a second: it goes as far as the first
        byte, and no further.
        """
        return None
