"""Declared variables come back as JSON values of the declared type, or not at all."""

import math
from typing import Any

import pytest
from inside import PACKAGES, run_inside

from callgate.runner.sandbox.contract import Limits
from callgate.runner.sandbox.guest.output_types import known_type

IMPORTS = (
    "import collections, dataclasses, datetime, decimal, enum, fractions, ipaddress, pathlib, uuid\n"
    "from datetime import date, time, timedelta, timezone\n"
)
ARRAYS = "import numpy as np, pandas as pd\n"


def values(expressions: dict[str, str], prelude: str, types: dict[str, str] | None = None) -> dict[str, Any]:
    script = prelude + "".join(f"v{place} = {code}\n" for place, code in enumerate(expressions))
    outputs = {f"v{place}": (types or expressions)[code] for place, code in enumerate(expressions)}
    results = run_inside(script, outputs=outputs, packages=[PACKAGES]).results
    return {code: results[f"v{place}"] for place, code in enumerate(expressions)}


PLAIN: dict[str, tuple[str, Any]] = {
    "'é'": ("str", "é"),
    "5": ("int", 5),
    "10**30": ("integer", 10**30),
    "0.5": ("float", 0.5),
    "7": ("float", 7),
    "6.0": ("number", 6.0),
    "True": ("boolean", True),
    "None": ("null", None),
    "[1, 'a', None]": ("list", [1, "a", None]),
    "(1, (2,))": ("array", [1, [2]]),
    "{3, 1, 2}": ("list[int]", [1, 2, 3]),
    "frozenset({'x'})": ("any", ["x"]),
    "range(3)": ("list", [0, 1, 2]),
    "collections.deque([1])": ("list", [1]),
    "{'a': 1, 2: 'b', None: 1, True: 2, date(2026, 1, 2): 3}": (
        "dict",
        {"a": 1, "2": "b", "null": 1, "true": 2, "2026-01-02": 3},
    ),
    "collections.Counter('aab')": ("dict[str, int]", {"a": 2, "b": 1}),
    "collections.OrderedDict(x=1)": ("object", {"x": 1}),
    "datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)": ("datetime", "2026-01-02T03:04:05+00:00"),
    "datetime.datetime(2026, 1, 2)": ("str", "2026-01-02T00:00:00"),
    "date(2026, 1, 2)": ("date", "2026-01-02"),
    "time(1, 2)": ("str", "01:02:00"),
    "timedelta(minutes=1.5)": ("float", 90.0),
    "decimal.Decimal('1.10')": ("any", "1.10"),
    "decimal.Decimal('1.1')": ("float", 1.1),
    "decimal.Decimal('3')": ("int", 3),
    "[decimal.Decimal('1.5')]": ("list[number]", [1.5]),
    "fractions.Fraction(1, 3)": ("str", "1/3"),
    "uuid.UUID(int=1)": ("str", "00000000-0000-0000-0000-000000000001"),
    "pathlib.Path('/a') / 'b'": ("str", "/a/b"),
    "ipaddress.ip_address('::1')": ("str", "::1"),
    "enum.Enum('E', {'A': 'x'}).A": ("str", "x"),
    "enum.IntEnum('E', {'A': 4}).A": ("int", 4),
    "b'\\xff\\x00'": ("bytes", "/wA="),
    "bytearray(b'a')": ("str", "YQ=="),
    "dataclasses.make_dataclass('P', ['x', 'y'])(1, [2])": ("dict", {"x": 1, "y": [2]}),
    "collections.namedtuple('P', 'x')(1)": ("list", [1]),
    "type('S', (str,), {})('s')": ("str", "s"),
    "[[1], [2]]": ("list[list[int]]", [[1], [2]]),
    "[{'a': None}, {'a': 1}]": ("list[dict[str, int | None]]", [{"a": None}, {"a": 1}]),
    "[None, 3]": ("list[Optional[int]]", [None, 3]),
    "'text'": ("int | str", "text"),
    "None or None": ("str?", None),
}

OF_ARRAYS: dict[str, tuple[str, Any]] = {
    "np.int64(5)": ("int", 5),
    "np.uint8(5)": ("number", 5),
    "np.float64(0.5)": ("float", 0.5),
    "np.float32(0.5)": ("float", 0.5),
    "np.longdouble(0.5)": ("float", 0.5),
    "np.bool_(True)": ("bool", True),
    "np.str_('a')": ("str", "a"),
    "np.array([1, 2])": ("ndarray", [1, 2]),
    "np.array([[1.5, 2], [3, 4]])": ("list[list[float]]", [[1.5, 2], [3, 4]]),
    "np.array(5)": ("int", 5),
    "np.array(['a', None], dtype=object)": ("list", ["a", None]),
    "np.array([True])": ("list[bool]", [True]),
    "np.datetime64('2026-01-02T03:04:05.000000001')": ("datetime", "2026-01-02T03:04:05.000000001"),
    "np.timedelta64(1500, 'ms')": ("float", 1.5),
    "np.array(['2026-01-02', 'NaT'], dtype='datetime64[D]')": ("list", ["2026-01-02", None]),
    "np.array([(1, 2.5)], dtype=[('a', 'i4'), ('b', 'f8')])": ("list", [[1, 2.5]]),
    "{np.int64(1): np.float64(2)}": ("dict", {"1": 2.0}),
    "pd.Timestamp('2026-01-02')": ("datetime", "2026-01-02T00:00:00"),
    "pd.NaT": ("any", None),
    "pd.NA": ("null", None),
    "pd.Timedelta('1min')": ("float", 60.0),
    "pd.Period('2026-01')": ("str", "2026-01"),
    "pd.Series([1, None, 3])": ("Series", [1.0, None, 3.0]),
    "pd.Series([1, 2], index=['a', 'b'])": ("dict", {"a": 1, "b": 2}),
    "pd.Series([1, 2], index=['a', 'c'])": ("list[int]", [1, 2]),
    "pd.Series(['a', 'b', 'a'], dtype='category')": ("list[str]", ["a", "b", "a"]),
    "pd.Series(pd.to_datetime(['2026-01-02', None]))": ("list", ["2026-01-02T00:00:00", None]),
    "pd.Index([1, 2])": ("list", [1, 2]),
    "pd.DataFrame({'a': [1, 2], 'b': ['x', None]})": ("DataFrame", [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
    "pd.DataFrame({'a': [1, 2], 3: [4, 5]})": ("list[dict]", [{"a": 1, "3": 4}, {"a": 2, "3": 5}]),
    "pd.DataFrame({'a': [1, 1.5]})": ("dict", {"a": [1.0, 1.5]}),
    "pd.DataFrame({'c': ['r', 'b', 'r'], 'x': [1, 2, 3]}).groupby('c').sum()": (
        "any",
        [{"c": "b", "x": 2}, {"c": "r", "x": 4}],
    ),
    "pd.DataFrame({'a': []})": ("list", []),
    "pd.DataFrame({'a': [1]}, index=[7])": ("DataFrame | null", [{"a": 1}]),
}


def test_pythons_own_values_are_converted() -> None:
    found = values({code: kind for code, (kind, _) in PLAIN.items()}, IMPORTS)
    assert found == {code: value for code, (_, value) in PLAIN.items()}


def test_values_of_numpy_and_pandas_are_converted() -> None:
    found = values({code: kind for code, (kind, _) in OF_ARRAYS.items()}, ARRAYS)
    assert found == {code: value for code, (_, value) in OF_ARRAYS.items()}


UNFIT: dict[str, tuple[str, str]] = {
    "'5'": ("int", "`x` was declared as `int`, but is `str`"),
    "5.0": ("int", "`x` was declared as `int`, but is `float`"),
    "True": ("int", "`x` was declared as `int`, but is `bool`"),
    "1": ("bool", "`x` was declared as `bool`, but is `int`"),
    "None": ("str", "`x` was declared as `str`, but is null"),
    "[1]": ("dict", "`x` was declared as `dict`, but is `list`"),
    "[1, 'a']": ("list[int]", "`x[1]` was declared as `int`, but is `str`"),
    "{'a': {'b': 'c'}}": ("dict[str, dict[str, int]]", "`x['a']['b']` was declared as `int`, but is `str`"),
    "[1, 2]": ("DataFrame", "`x` was declared as `DataFrame`, but is `list`"),
    "'2026-01-02'": ("date", "`x` was declared as `date`, but is `str`"),
    "float('nan')": ("float", "`x` is nan, which JSON cannot say; use None, or another number"),
    "[1, float('-inf')]": ("list", "`x[1]` is -inf, which JSON cannot say; use None, or another number"),
    "object()": ("any", "`x` is `object`, which cannot be written as JSON"),
    "(n for n in [])": ("list", "`x` is `generator`, which cannot be written as JSON; make a list of it"),
    "1j": ("any", "`x` is `complex`, which cannot be written as JSON"),
    "{(1, 2): 3}": ("dict", "`x` has a key that is `tuple`; keys must be text"),
    "{1: 'a', '1': 'b'}": ("dict", "`x` has two keys that are both written as '1'"),
    "print": ("any", "`x` is `builtin_function_or_method`, which cannot be written as JSON"),
    "'\\ud800'": ("str", "`x` cannot be written as JSON: it holds text that is no Unicode"),
    "10**5000": ("int", "`x` cannot be written as JSON: Exceeds the limit"),
    "1\nx = [x]; x.append(x)": ("list", "`x[1]` contains itself"),
    "1\nfor _ in range(101): x = [x]": ("list", "` is nested deeper than 100 levels"),
    "1\ndel x": ("int", "`x` was declared as `int`, but the script never set it"),
}


@pytest.mark.parametrize("code", UNFIT)
def test_a_value_that_does_not_fit_is_told_of_by_name_and_type(code: str) -> None:
    kind, message = UNFIT[code]
    error = run_inside(f"x = {code}\n", outputs={"x": kind}).error
    assert error["kind"] == "output_vars"
    assert message in error["message"]


UNFIT_ARRAYS = {
    "np.array([1, np.nan])": "`v0[1]` is nan",
    "np.float64('inf')": "`v1` is inf",
    "pd.Series([np.inf])": "`v2[0]` is inf",
    "np.complex128(1)": "`v3` is `complex`",
    "pd.DataFrame([[1, 2]], columns=['a', 'a'])": "`v4` has two columns that are both called 'a'",
    "pd.DataFrame({'a': ['x']})": "`v5[0]['a']` was declared as `int`, but is `str`",
}


def test_arrays_that_json_cannot_say_are_told_of() -> None:
    script = ARRAYS + "".join(f"v{place} = {code}\n" for place, code in enumerate(UNFIT_ARRAYS))
    outputs = {f"v{place}": "any" for place in range(5)} | {"v5": "list[dict[str, int]]"}
    error = run_inside(script, outputs=outputs, packages=[PACKAGES]).error
    assert error["kind"] == "output_vars"
    said = error["message"].split("; ")
    for message in UNFIT_ARRAYS.values():
        assert any(part.startswith(message) for part in said), (message, said)


def test_all_problems_are_told_of_at_once() -> None:
    error = run_inside("a = 1", outputs={"a": "str", "b": "int"}).error
    assert error["message"] == (
        "`a` was declared as `str`, but is `int`; `b` was declared as `int`, but the script never set it"
    )


@pytest.mark.parametrize(
    "code",
    [
        "'a' * 2000",
        "['a'] * 1000",
        "{n: n for n in range(500)}",
        "'\\x01' * 300",
        "[]\nfor _ in range(40): x = [x, x]",
        "bytes(10**8)",
        "range(10**12)",
    ],
)
def test_results_that_are_too_large_are_refused_before_they_are_built(code: str) -> None:
    error = run_inside(f"x = {code}\n", outputs={"x": "any"}, limits=Limits(results=1000)).error
    assert (error["kind"], error["type"]) == ("result_size", "result_size")
    assert "`x` does not fit: the results may take 1000 bytes" in error["message"]


def test_a_large_table_is_refused_before_it_is_built() -> None:
    script = ARRAYS + "x = pd.DataFrame(np.zeros((1_000_000, 20)))\n"
    error = run_inside(
        script, outputs={"x": "any"}, packages=[PACKAGES], limits=Limits(results=1 << 20)
    ).error
    assert error["kind"] == "result_size"


def test_results_up_to_the_limit_are_taken() -> None:
    results = run_inside("x = 'a' * 990", outputs={"x": "str"}, limits=Limits(results=1000)).results
    assert len(results["x"]) == 990


def test_no_declared_variable_means_no_result() -> None:
    assert run_inside("x = object()").results == {}


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("String", "str"),
        ("integer", "int"),
        ("double", "float"),
        ("BOOLEAN", "bool"),
        ("array", "list"),
        ("object", "dict"),
        ("pd.DataFrame", "DataFrame"),
        ("timestamp", "datetime"),
        ("None", "null"),
        ("Optional[List[Integer]]", "list[int] | null"),
        ("typing.Dict[str, Any]", "dict"),
        ("list[dict]", "list[dict]"),
        ("dict[str, list[number]]", "dict[str, list[number]]"),
        ("int | null", "int | null"),
        ("Union[int, str]", "int | str"),
        ("float?", "float | null"),
        ("tuple[int, ...]", "list[int]"),
        ("tuple[int, str]", "list"),
        ("int | integer", "int"),
        (" list [ int ] ", "list[int]"),
    ],
)
def test_names_of_types_are_known_in_their_usual_spellings(name: str, canonical: str) -> None:
    assert known_type(name) == canonical
    assert known_type(canonical) == canonical


@pytest.mark.parametrize(
    "name",
    [
        "",
        "strr",
        "list[",
        "list]",
        "list[]",
        "int[str]",
        "|",
        "int |",
        "dict[str]",
        "Optional[int, str]",
        "?",
        "[" * 150,
    ],
)
def test_what_is_no_name_of_a_type_is_not_known(name: str) -> None:
    assert known_type(name) is None


def test_a_deeply_nested_type_is_not_known() -> None:
    assert known_type("list[" * 30 + "int" + "]" * 30) is None


def test_numbers_arrive_as_they_were() -> None:
    results = run_inside("x = [0.1 + 0.2, 1e300, 5e-324, -0.0]", outputs={"x": "list[float]"}).results
    assert results["x"][:3] == [0.1 + 0.2, 1e300, 5e-324]
    assert math.copysign(1, results["x"][3]) == -1
