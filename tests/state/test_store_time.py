"""What a shared file takes for the time, over clock steps, reboots and machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.state.sqlite_time import Anchor, advance
from callgate.state.window import (
    Now,
    calendar_wait,
    earliest_calendar_end,
    latest_calendar_end,
    seconds,
    slew,
)

S = 1_000_000_000
YEAR_2026 = 1_790_000_000 * S
BEFORE = Anchor("a", 500 * S, 7_000 * S, YEAR_2026, YEAR_2026)


@pytest.mark.parametrize(
    ("boot", "monotonic", "wall", "passed", "why"),
    [
        ("a", 560, 10**6, 60, "within a boot the wall clock says nothing"),
        ("a", 400, 60, 0, "a monotonic clock that went back is not believed"),
        ("b", 30, 3600, 3600, "after a reboot the wall clock tells how long the machine was off"),
        ("b", 30, -100, 30, "a wall clock that went back leaves the new boot's age"),
        ("b", 30, 500 * 86_400, 30, "so does one that leapt by years"),
        ("b", 90_000, 10, 10, "an older boot means another machine, or a clock set back"),
        ("", 560, 3600, 60, "without a name for the boot, only the monotonic clock is believed"),
        ("", 30, 3600, 30, "or, where that went back, the age of the boot"),
    ],
)
def test_time_that_passed_since_the_last_reading(
    boot: str, monotonic: int, wall: int, passed: int, why: str
) -> None:
    now = advance([BEFORE], boot, monotonic * S, YEAR_2026 + wall * S)
    assert now.store_ns - BEFORE.store_ns == passed * S, why


def test_an_unset_wall_clock_is_never_believed() -> None:
    unset = Anchor("a", 500 * S, 0, 100 * S, 100 * S)
    assert advance([unset], "b", 30 * S, YEAR_2026).store_ns == 30 * S


def test_without_boot_names_the_clock_is_never_ahead_of_the_time_that_passed() -> None:
    nameless = Anchor("", 500 * S, 0, YEAR_2026, YEAR_2026)
    assert advance([nameless], "", 600 * S, 0).store_ns == 100 * S
    assert advance([nameless], "", 20 * S, YEAR_2026 + 10**6 * S).store_ns == 20 * S


def test_two_machines_in_turn_do_not_add_up_their_uptimes() -> None:
    first = advance([BEFORE], "b", 10**7 * S, YEAR_2026 + S)
    back = advance([BEFORE, first], "a", 502 * S, YEAR_2026 + 2 * S)
    forth = advance([back, first], "b", 10**7 * S + 2 * S, YEAR_2026 + 3 * S)
    assert forth.store_ns == BEFORE.store_ns + 3 * S


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**15), st.integers(0, 2**62)), max_size=20)
)
def test_store_time_and_calendar_never_go_back(readings: list[tuple[str, int, int]]) -> None:
    anchors = {BEFORE.boot: BEFORE}
    latest = BEFORE
    for boot, monotonic, wall in readings:
        now = advance(list(anchors.values()), boot, monotonic, wall)
        assert now.store_ns >= latest.store_ns
        assert now.calendar_ns >= latest.calendar_ns
        anchors[boot] = latest = now


@given(st.integers(0, 10**15), st.integers(-(10**16), 10**16), st.integers(1, 10**14))
def test_the_wait_for_a_calendar_window_is_the_least_that_suffices(
    now: int, error: int, missing: int
) -> None:
    reading = Now(0, now, now + error)
    wait = calendar_wait(reading, now + missing)
    assert slew(now, wait, reading.wall_ns + wait) >= now + missing
    assert slew(now, wait - 1, reading.wall_ns + wait - 1) < now + missing
    assert (
        earliest_calendar_end(reading, now + missing) <= wait <= latest_calendar_end(reading, now + missing)
    )


@given(st.integers(0, 2**62))
def test_seconds_are_never_less_than_the_nanoseconds(ns: int) -> None:
    assert round(seconds(ns) * 1e9) >= ns
