"""Hostile scripts: reading one never raises, never takes the process along, and has a bound."""

import asyncio
import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from looked_at import AROUND, codes, findings
from msgspec.structs import replace

from callgate.runner.execution import Spec
from callgate.runner.precheck.bounded import SMALL
from callgate.runner.precheck.check import check_async

DEEP = {
    "parentheses": "(" * 100_000,
    "signs": "-" * 1_000_000 + "1",
    "attributes": "a" + ".a" * 300_000,
    "not": "not " * 200_000 + "1",
    "sum": "1" + "+1" * 300_000,
    "calls": "x" + "()" * 300_000,
    "conditions": "1 if 1 else " * 60_000 + "1",
    "lambdas": "lambda:" * 100_000 + "1",
    "powers": "a**" * 150_000 + "a",
    "elif": "if 1:pass\n" + "elif 1:pass\n" * 80_000,
    "indents": "".join(" " * depth + "if 1:\n" for depth in range(200)),
    "f-string": 'f"{' * 1000,
}
LONG = {
    "one name": "a" * 1_000_000,
    "one number": "1" * 1_000_000,
    "one text": "'" + "a" * 1_000_000 + "'",
    "letters": "é" * 300_000,
    "comments": "#\n" * 500_000,
    "continued": "\\\n" * 500_000 + "1",
    "form feeds": "\x0c\n" * 400_000,
    "zeros": "\0" * 1_000_000,
    "surrogates": "\ud800" * 1_000_000,
    "marks": "\ufeff" * 300_000,
}


@pytest.mark.parametrize("script", DEEP.values(), ids=DEEP)
def test_nesting_is_answered(script: str) -> None:
    assert codes(script) in (["RUN101"], ["RUN102"])


@pytest.mark.parametrize("script", LONG.values(), ids=LONG)
def test_a_megabyte_of_anything_is_answered(script: str) -> None:
    assert codes(script) in ([], ["RUN101"], ["RUN102"])


def test_a_script_that_makes_the_parser_take_gigabytes_is_refused() -> None:
    script = "import " + ".".join(["a"] * 400_000)
    assert codes(script) == ["RUN102"]
    # In a child, whose bound is a gigabyte: without it, this takes 24.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 << 20


@pytest.mark.parametrize("depth", [50, 150, 500, 1500, 2500, 3500])
@pytest.mark.parametrize("unit", ["-", "not ", "a.", "a(", "[", "lambda:", "a+", "a if a else "])
def test_nesting_of_any_depth_is_survived_in_this_process(unit: str, depth: int) -> None:
    script = unit * min(depth, SMALL // len(unit) - 2) + "a"
    assert set(codes(script)) <= {"RUN101", "RUN102"}


def test_a_big_ordinary_script_is_read_in_a_child_with_the_same_result() -> None:
    filler = "value = {'k': [1, 2, 3]}\n" * 2000
    (found,) = findings(filler + "x = locals()\n", output_vars={"value": "dict"})
    assert (found.code, found.line, found.column) == ("RUN105", 2001, 5)
    assert codes(filler, output_vars={"other": "dict"}) == ["RUN118"]


def test_too_long_is_refused_unread() -> None:
    assert codes("x" * 101, replace(AROUND, max_script=100)) == ["RUN103"]


def test_an_event_loop_goes_on_while_a_big_script_is_read() -> None:
    async def main() -> int:
        turns = 0
        task = asyncio.create_task(check_async(Spec(script="x = 1\n" * 5000), AROUND))
        while not task.done():
            turns += 1
            await asyncio.wait([task], timeout=0.001)
        assert await task == []
        return turns

    assert asyncio.run(main()) > 3


@given(st.text())
def test_no_text_raises(script: str) -> None:
    for found in findings(script, output_vars={"x": "int"}):
        assert found.message.isprintable()


WORDS = [
    "if",
    "x",
    "=",
    "(",
    ")",
    ":",
    "\n",
    " ",
    "def",
    "class",
    "await",
    "async",
    "f'{",
    "}'",
    "import",
    "*",
    "0",
]


@given(st.lists(st.sampled_from(WORDS), max_size=40))
@settings(max_examples=300)
def test_no_heap_of_words_raises(words: list[str]) -> None:
    findings(" ".join(words), output_vars={"x": "int"})
