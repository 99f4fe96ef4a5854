"""Whatever an agent sends as arguments is either taken as it is or refused with where and why, never repeated."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from server_calls import run, runner, text_of

from callgate.runner.jobs.contract import Refusal
from callgate.runner.server.arguments import Arguments, spec
from callgate.runner.server.tool_list import tools

TOOLS = tools()
CHECKS = {name: Arguments(tool) for name, tool in TOOLS.items()}

keys = st.text(max_size=8) | st.sampled_from(
    sorted({key for t in TOOLS.values() for key in t.input_schema["properties"]})
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from(["7b0c0a52-32fb-4e46-9a7c-3ba1c6a9b3dd", 10**400, 1 << 64, "\ud800"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)


@given(st.sampled_from(sorted(TOOLS)), st.none() | st.dictionaries(keys, values, max_size=4))
def test_what_is_not_refused_satisfies_the_schema_and_can_be_sent_on(
    name: str, arguments: dict[str, Any] | None
) -> None:
    found = taken(name, arguments)
    if isinstance(found, Refusal):
        assert found.code in ("RUN001", "RUN002", "RUN003", "RUN004", "RUN005")
        assert found.message.isprintable()
        assert len(found.message) < 300
    else:
        assert Draft202012Validator(TOOLS[name].input_schema).is_valid(found)
        assert json.loads(json.dumps(found, allow_nan=False).encode()) == found


def taken(name: str, arguments: dict[str, Any] | None) -> dict[str, Any] | Refusal:
    try:
        found = CHECKS[name].checked(arguments)
        if "script" in found:
            spec(found, waits=name == "executeCode")
    except Refusal as refusal:
        return refusal
    return found


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("arguments", "code", "message", "help"),
    [
        ({"scrpt": "x"}, "RUN001", "unknown argument `scrpt`", "did you mean `script`?"),
        ({}, "RUN002", "the argument `script` is missing", None),
        ({"script": None}, "RUN003", "`script` must be a text, not null", None),
        ({"script": ""}, "RUN004", "`script` must not be empty", None),
        ({"script": "x" * ((1 << 20) + 1)}, "RUN004", "`script` must have at most 1048576 characters", None),
        ({"script": "é" * (1 << 19) + "x"}, "RUN004", "`script` must have at most 1048576 bytes", None),
        ({"script": "x", "timeout": 29}, "RUN004", "`timeout` must be at least 30", None),
        ({"script": "x", "timeout": 301}, "RUN004", "`timeout` must be at most 300", None),
        ({"script": "x", "timeout": True}, "RUN003", "`timeout` must be a number, not true or false", None),
        ({"script": "x", "local": "no"}, "RUN003", "`local` must be true or false, not a text", None),
        (
            {"script": "x", "required_tools": ["a", 1]},
            "RUN003",
            "`required_tools[1]` must be a text, not a whole number",
            None,
        ),
        (
            {"script": "x", "output_vars": {"a": 1}},
            "RUN003",
            "`output_vars.a` must be a text, not a whole number",
            None,
        ),
        (
            {"script": "x", "output_vars": {"a b": "int"}},
            "RUN004",
            "`a b` cannot be the name of a variable",
            None,
        ),
        (
            {"script": "x", "input_vars": {"a": float("nan")}},
            "RUN005",
            "the argument `input_vars` holds a number that is not finite",
            "pass it as a text",
        ),
        (
            {"script": "x", "input_vars": {"a": deep(100)}},
            "RUN005",
            "the argument `input_vars` is nested more than 64 deep",
            "pass it as a text",
        ),
        (
            {"script": "x", "input_vars": {"a": "x" * (5 << 20)}},
            "RUN004",
            "`input_vars` must have at most 4194304 bytes as JSON",
            "let the script fetch the data itself, by a tool or in parts",
        ),
        (
            {"script": "x\ud800"},
            "RUN005",
            "the argument `script` holds half of a surrogate pair",
            "pass it as a text",
        ),
    ],
)
def test_a_wrong_argument_is_named_with_its_place(
    arguments: dict[str, Any], code: str, message: str, help: str | None
) -> None:
    with pytest.raises(Refusal) as caught:
        spec(CHECKS["executeCode"].checked(arguments), waits=True)
    assert (caught.value.code, caught.value.message, caught.value.help) == (code, message, help)


def test_null_stands_for_left_out_where_an_argument_can_be() -> None:
    given_null = dict.fromkeys(TOOLS["executeCode"].input_schema["properties"])
    assert CHECKS["executeCode"].checked({**given_null, "script": "x"}) == {"script": "x"}


def test_a_time_out_beyond_all_clocks_is_none() -> None:
    assert spec({"script": "x", "timeout": 1e300}, waits=False).timeout is None


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_refused_call_is_answered_as_a_result_that_the_model_sees(mode: str) -> None:
    async def main() -> None:
        async with runner(mode) as it:
            result = await it.call("executeCode", script="x", timout=40)
            assert result.is_error
            assert (
                text_of(result)
                == "refused [RUN001]: unknown argument `timout`\nhelp: did you mean `timeout`?"
            )
            assert not it.engine.executions
            assert (await it.refused("checkCodeExecStatus", execution_uuid="../etc"))["message"] == (
                "`execution_uuid` must be a UUID, as asyncExecuteCode answers with"
            )

    run(main)
