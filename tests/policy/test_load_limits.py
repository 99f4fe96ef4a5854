"""Every spelling of a rate limit means one thing, and impossible ones are errors."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marked import expect, load

from callgate.decision import SlidingWindow
from callgate.policy.model import RateLimit


def _limits(spelling: str) -> tuple[RateLimit, ...]:
    return load(f"tools: {{t: {{rules: [{{rate_limit: {spelling}}}]}}}}").tools[0].rules[0].limits


def _limit(spelling: str) -> RateLimit:
    (limit,) = _limits(spelling)
    return limit


@pytest.mark.parametrize(
    ("spelling", "maximum", "milliseconds"),
    [
        ("10/minute", 10, 60_000),
        ("10/min", 10, 60_000),
        ("10/m", 10, 60_000),
        ("10/s", 10, 1_000),
        ("10/sec", 10, 1_000),
        ("10/second", 10, 1_000),
        ("10/h", 10, 3_600_000),
        ("10/hour", 10, 3_600_000),
        ("10/d", 10, 86_400_000),
        ("10/day", 10, 86_400_000),
        ("10/60s", 10, 60_000),
        ("10/500ms", 10, 500),
        ("{max: 10, window: 500ms}", 10, 500),
        ("10/1.5h", 10, 5_400_000),
        ("10 / 90s", 10, 90_000),
        ("{max: 10, window: 60}", 10, 60_000),
        ("{max: 10, window: 0.5}", 10, 500),
        ("{max: 10, window: 0.001}", 10, 1),
        ("{max: 10, window: 90s}", 10, 90_000),
        ("{max: 10, window: 1m}", 10, 60_000),
        ("{max: 10, window: 1.5h}", 10, 5_400_000),
        ("{max: 10, window: 366d}", 10, 31_622_400_000),
        ("{max: 10.0, window: 6e1}", 10, 60_000),
    ],
)
def test_spellings(spelling: str, maximum: int, milliseconds: int) -> None:
    limit = _limit(spelling)
    assert (limit.max, limit.window) == (maximum, SlidingWindow(milliseconds))
    assert (limit.scope, limit.per, limit.cost, limit.strict, limit.amount) == ("session", (), None, False, 1)
    assert type(limit.max) is int


def test_a_cost_may_have_an_exact_fraction_for_its_maximum() -> None:
    limit = _limit("{max: 500.10, window: 1d, cost: args.amount, scope: global, per: [args.currency, tool]}")
    assert limit.max == Decimal("500.10")
    assert (limit.cost, limit.scope) == (("args", "amount"), "global")
    assert limit.per == (("args", "currency"), ("tool",))


def test_per_may_be_a_single_path_and_identity_a_scope() -> None:
    limit = _limit("{max: 5, window: 1m, per: server, scope: identity}")
    assert (limit.per, limit.scope) == ((("server",),), "identity")


def test_a_list_holds_several_limits_in_any_spelling() -> None:
    first, second = _limits("[5/second, {max: 100, window: 1h}]")
    assert (first.max, second.max) == (5, 100)


@given(maximum=st.integers(0, 10**18), seconds=st.integers(1, 366 * 86_400))
def test_the_short_and_the_long_spelling_are_the_same(maximum: int, seconds: int) -> None:
    short, long = _limit(f"{maximum}/{seconds}s"), _limit(f"{{max: {maximum}, window: {seconds}}}")
    assert (short.max, short.window) == (long.max, long.window)


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("«10»", "POL050 found a number | `10/minute`"),
        ("«often»", "POL050 `often` is not a rate limit"),
        ("«-5/minute»", "POL050"),
        ("«1.5/minute»", "POL050"),
        ("«10/fortnight»", "POL050 unknown unit `fortnight`"),
        ("«10/Minute»", "POL050"),
        ("«10/»", "POL050"),
        ("«10/0s»", "POL051 longer than nothing"),
        ("«10/367d»", "POL051 366 days"),
        ("«[]»", "POL050 empty list"),
        ("[5/s, «true»]", "POL050"),
        ("[«[5/s]»]", "POL050 found a list"),
        ("«{max: 10}»", "POL004 needs `window`"),
        ("«{window: 10}»", "POL004 needs `max`"),
        ("{max: 10, window: 60, «burst»: 5}", "POL001 `burst`"),
        ("{max: «-1», window: 60}", "POL052 negative"),
        ("{max: «1.5», window: 60}", "POL052 whole number | `cost`"),
        ("{max: «'10'», window: 60}", "POL002 must be a number | without quotes"),
        ("{max: «true», window: 60}", "POL002 must be a number"),
        ("{max: «.inf», window: 60}", "POL024"),
        ("{max: «-0.01», window: 60, cost: args.a}", "POL052 negative"),
        ("{max: 10, window: «0»}", "POL051 longer than nothing"),
        ("{max: 10, window: «-60»}", "POL051"),
        ("{max: 10, window: «0.0001»}", "POL051 shorter than a millisecond"),
        ("{max: 10, window: «1.0005»}", "POL051 whole number of milliseconds"),
        ("{max: 10, window: «1.0000000000000000000000000000000000000000001»}", "POL051 whole number"),
        ("{max: 10, window: «31622401»}", "POL051 366 days"),
        ("{max: 10, window: «1e99»}", "POL051 366 days"),
        ("{max: 10, window: «.nan»}", "POL024"),
        ("{max: 10, window: «1w»}", "POL051 `1w` is not a window"),
        ("{max: 10, window: «'60'»}", "POL051"),
        ("{max: 10, window: «true»}", "POL002"),
        ("{max: 10, window: 60, scope: «sesion»}", "POL003 | `session`"),
        ("{max: 10, window: 60, scope: «grant»}", "POL003"),
        ("{max: 10, window: 60, per: «[]»}", "POL027 `per` is empty"),
        ("{max: 10, window: 60, per: [tool, «tool»]}", "POL008 `tool` twice"),
        ("{max: 10, window: 60, per: «currency»}", "POL040 | `args.currency`"),
        ("{max: 10, window: 60, cost: «amount»}", "POL040 | must start with `args.`"),
        ("{max: 10, window: 60, cost: «tool»}", "POL040"),
        ("{max: 10, window: 60, cost: «5»}", "POL002 `cost` must be text"),
    ],
)
def test_what_is_no_limit_is_an_error_in_its_place(marked: str, wanted: str) -> None:
    expect(f"tools: {{t: {{rules: [{{rate_limit: {marked}}}]}}}}", wanted)
