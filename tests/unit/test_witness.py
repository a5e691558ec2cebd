"""How much of a long turn nothing went on, by the interrupts that came, late or not, during it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the benchmarks, which are not installed

from benchmarks.witness import PERIOD_NS, Interrupt, WitnessError, near, read, stood_still_ns

SCRIPT = """\
   24069 12279.477755742:  ffffffff815d7745
       0 12279.478002179:  ffffffff821f4dab
      -1 12280.393231126:  ffffffff815d66a6

"""


def steady(count: int, *, thread: int = 7) -> list[Interrupt]:
    """On time, each at another instruction."""
    return [Interrupt(number * PERIOD_NS, thread, 4096 + number) for number in range(count)]


def test_what_perf_tells_is_read() -> None:
    assert list(read(SCRIPT.splitlines())) == [
        (12279_477755742, 24069, 0xFFFFFFFF815D7745),
        (12279_478002179, 0, 0xFFFFFFFF821F4DAB),
        (12280_393231126, -1, 0xFFFFFFFF815D66A6),
    ]


def test_lost_interrupts_are_not_passed_over() -> None:
    with pytest.raises(WitnessError, match="lost"):
        list(read([*SCRIPT.splitlines(), "   24069 12279.5:  PERF_RECORD_LOST lost 12"]))


def test_what_works_does_not_stand_still() -> None:
    assert stood_still_ns(steady(20), PERIOD_NS // 2, 15 * PERIOD_NS) == 0


def test_a_late_interrupt_is_time_that_stood_still() -> None:
    late = [*steady(3), Interrupt(6 * PERIOD_NS, 7, 1), Interrupt(7 * PERIOD_NS, 7, 2)]
    assert stood_still_ns(late, 0, 7 * PERIOD_NS) == 3 * PERIOD_NS
    assert stood_still_ns(late, 0, 4 * PERIOD_NS) == PERIOD_NS  # only what is within the turn
    assert stood_still_ns(late, 5 * PERIOD_NS, 7 * PERIOD_NS) == PERIOD_NS


def test_an_instruction_that_does_not_end_stands_still() -> None:
    stuck = [Interrupt(number * PERIOD_NS, 7, 4096) for number in range(9)]
    assert stood_still_ns(stuck, PERIOD_NS, 8 * PERIOD_NS) == 7 * PERIOD_NS
    idle = [each._replace(thread=0) for each in stuck]
    assert stood_still_ns(idle, PERIOD_NS, 8 * PERIOD_NS) == 0  # it always idles at the same one


@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 2), st.integers(0, 2)), max_size=60),
    st.integers(0, 10**8),
    st.integers(0, 10**8),
)
def test_no_more_than_the_turn_stands_still(
    steps: list[tuple[int, int, int]], one_ns: int, other_ns: int
) -> None:
    interrupts, at_ns = [], 0
    for step_ns, thread, instruction in steps:
        at_ns += step_ns
        interrupts.append(Interrupt(at_ns, thread, instruction))
    began_ns, ended_ns = min(one_ns, other_ns), max(one_ns, other_ns)
    assert 0 <= stood_still_ns(interrupts, began_ns, ended_ns) <= ended_ns - began_ns


def test_interrupts_around_turns_are_kept_once() -> None:
    far = Interrupt(10**12, 7, 1)
    interrupts = [*steady(8), far, Interrupt(2 * 10**12, 7, 1)]
    turns = [(PERIOD_NS, 2 * PERIOD_NS), (3 * PERIOD_NS, 4 * PERIOD_NS), (10**12 - 5, 10**12 + 5)]
    assert list(near(interrupts, turns)) == [*steady(8), far]
