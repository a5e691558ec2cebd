"""How much of what was read may be taken in now: frames have a share of each turn of the loop, and an age beyond which they
are left out rather than taken in late."""

from libc.stdint cimport int64_t, uint64_t

# What frames may take of one turn, so that all else that is ready gets its turn, too.
cdef int64_t TURN_NS = 100_000


cdef class Backlog:
    """A sequencer's. Without `bind_turns` there is no share, without `bind_conflation` (0 ns) nothing is left out."""

    def bind_turns(self, counter_address: int) -> None:
        """Limit what frames take of one turn; the counter is of the loop's turns (engine.turns)."""
        self.turn = <const uint64_t*><size_t>counter_address

    def bind_conflation(self, limit_ns: int) -> None:
        """From which lag on a market feed is conflated, by adapters that can; 0: never."""
        self.conflate_ns = limit_ns

    cdef void spend(self, int64_t ns) noexcept:
        """A frame took so long."""
        if self.turn != NULL:
            if self.spent_turn != self.turn[0]:
                self.spent_turn = self.turn[0]
                self.spent_ns = 0
            self.spent_ns += ns

    cdef bint is_spent(self) noexcept:
        """Whether frames have had their share of this turn: what else was read waits for the next one."""
        return self.turn != NULL and self.spent_turn == self.turn[0] and self.spent_ns > TURN_NS
