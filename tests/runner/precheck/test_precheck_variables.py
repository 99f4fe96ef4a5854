"""Variables that go in and come out: names, types, and values that come about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from looked_at import AROUND, codes, findings
from msgspec.structs import replace


@pytest.mark.parametrize("name", ["", "1a", "a b", "class", "None", "a.b", "a\n", "a-b"])
def test_names_that_no_variable_can_have_are_refused(name: str) -> None:
    assert codes("", input_vars={name: 1}) == ["RUN115"]
    assert codes("", output_vars={name: "int"})[0] == "RUN115"


@pytest.mark.parametrize("name", ["mcp_Git_status", "callgate", "secrets", "report_progress", "__name__"])
def test_names_of_the_runner_are_refused(name: str) -> None:
    assert codes("", input_vars={name: 1}) == ["RUN116"]


@pytest.mark.parametrize("kind", ["int", "list[str]", "Optional[dict]", "DataFrame", "ANY"])
def test_known_types_are_taken(kind: str) -> None:
    assert codes("x = 1", output_vars={"x": kind}) == []


def test_an_unknown_type_is_answered_with_those_there_are() -> None:
    (found,) = findings("x = 1", output_vars={"x": "complex"})
    assert found.code == "RUN117"
    assert "`DataFrame`" in (found.help or "")


@pytest.mark.parametrize(
    "script",
    [
        "x = 1",
        "a, (b, *x) = y",
        "x: int = 1",
        "x += 1",
        "for x in y: pass",
        "with y as x: pass",
        "import x",
        "import a.b as x",
        "from a import b as x",
        "def x(): pass",
        "class x: pass",
        "if (x := 1): pass",
        "[x := 1 for _ in y]",
        "match y:\n    case {'k': x}: pass",
        "match y:\n    case [*x]: pass",
        "match y:\n    case {**x}: pass",
        "def f():\n    global x\n    x = 1\nf()",
        "try:\n    x = 1\nfinally:\n    pass",
        "if y:\n    while z:\n        x = 1",
        "exec('x = 1')",
        "from math import *",
    ],
)
def test_whatever_gives_a_value_at_the_top_counts(script: str) -> None:
    assert [code for code in codes(script, output_vars={"x": "any"}) if code == "RUN118"] == []


@pytest.mark.parametrize(
    "script",
    [
        "y = 1",
        "x: int",
        "print(x)",
        "def f():\n    x = 1\nf()",
        "class A:\n    x = 1",
        "[x for x in y]",
        "f = lambda x: x",
        "def f(x): pass",
        "f.x = 1",
        "f(x=1)",
    ],
)
def test_what_gives_it_none_is_refused(script: str) -> None:
    assert codes(script, output_vars={"x": "any"}) == ["RUN118"]


def test_a_value_inside_a_function_is_told_as_such() -> None:
    (found,) = findings("def f():\n    x = 1", output_vars={"x": "any"})
    assert "only inside a function" in found.message


def test_what_came_in_may_go_out() -> None:
    assert codes("", input_vars={"x": 1}, output_vars={"x": "int"}) == []
    assert codes("", replace(AROUND, carried=frozenset({"x"})), output_vars={"x": "int"}) == []


def test_names_are_compared_as_python_does() -> None:
    assert codes("ﬁ = 1", output_vars={"fi": "int"}) == []
    assert codes("fi = 1", output_vars={"ﬁ": "int"}) == []


@given(st.text(max_size=20))
def test_any_name_is_answered_in_printable_text(name: str) -> None:
    for found in findings("", input_vars={name: 1}, output_vars={name: name}):
        assert found.message.isprintable()
