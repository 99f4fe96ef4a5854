"""What is judged is what the server gets, number for number; what JSON cannot hold is refused."""

import datetime
import json
from decimal import Decimal
from typing import Any

import pytest
from bridge_bench import ODD, Folder, opened, run
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.runner.bridge.exact import Unsendable, exact
from callgate.transports.spawner import Spawner

SCALAR = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), VALUE))
def test_arguments_are_read_as_they_were_written_or_refused(arguments: dict[str, Any]) -> None:
    try:
        judged, spelled = exact("tool", arguments)
    except Unsendable:
        # Keys that look alike, say.
        return
    assert judged == arguments
    assert json.loads(spelled) == arguments


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("1.5"),
        (1, 2),
        b"x",
        {1, 2},
        {1: "x"},
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "\ud800",
        object(),
        10**400,
        {"a": {"A": 1, "a": 2}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_or_readers_read_differently_is_refused(value: Any) -> None:
    with pytest.raises(Unsendable):
        exact("tool", {"value": value})


def test_arguments_that_are_nested_without_end_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(Unsendable):
        exact("tool", {"value": deep})


def test_the_server_gets_exactly_what_was_judged(folder: Folder, spawner: Spawner) -> None:
    folder.write(odd={"command": ODD})
    arguments = {
        "n": 2**80,
        "float": 0.1,
        "large": 1e16,
        "tiny": 5e-324,
        "minus": -0.0,
        "none": None,
        "inner": {"none": None, "list": [None, True, "\u2028 é 😀"]},
        "empty": {},
    }

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            line, _ = await bench.value("mcp_odd_echo", arguments)
            sent = json.loads(line["text"])["params"]["arguments"]
            assert sent == arguments
            assert list(sent) == list(arguments)
            assert str(sent["minus"]) == "-0.0"
            refused = await bench.failure("mcp_odd_echo", {"n": float("nan")})
            assert (refused.code, refused.ran) == ("RUN061", False)

    run(work())
    assert len(folder.calls()) == 1
