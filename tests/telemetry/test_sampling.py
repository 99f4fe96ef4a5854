"""Remarks that somebody can cause at will: none is lost, few are made, and memory is bounded."""

from collections import Counter

from callgate.clock import ManualClock
from callgate.telemetry.sampling import MAX_SOURCES, MOST, Sampler


class Told:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.counts: list[tuple[str | None, dict[str, int]]] = []
        self.sampler: Sampler[str] = Sampler(self.clock, self._tell)

    def _tell(self, source: str | None, counts: Counter[str]) -> None:
        self.counts.append((source, dict(counts)))

    def passed(self, source: str, code: str, times: int) -> int:
        return sum(self.sampler.passes(source, code) for _ in range(times))


def test_the_first_pass_and_the_rest_is_counted_by_code() -> None:
    told = Told()
    assert told.passed("a", "X", MOST + 3) == MOST
    assert told.passed("a", "Y", 2) == 0
    told.sampler.tick()
    assert told.counts == [], "the window is not over"
    told.clock.advance(10)
    told.sampler.tick()
    assert told.counts == [("a", {"X": 3, "Y": 2})]
    assert told.passed("a", "X", 1) == 1


def test_a_window_ends_by_the_next_remark_too() -> None:
    told = Told()
    told.passed("a", "X", MOST + 1)
    told.clock.advance(10)
    assert told.passed("b", "X", 1) == 1
    assert told.counts == [("a", {"X": 1})]


def test_where_nothing_was_left_out_nothing_is_told() -> None:
    told = Told()
    told.passed("a", "X", MOST)
    told.sampler.end()
    assert told.counts == []


def test_sources_beyond_the_bound_share_one_count() -> None:
    told = Told()
    made = sum(told.passed(str(number), "X", 1) for number in range(MAX_SOURCES + 500))
    assert made == MAX_SOURCES + MOST
    told.sampler.end()
    assert told.counts == [(None, {"X": 500 - MOST})]
