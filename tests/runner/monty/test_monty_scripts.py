"""What a script in Monty sees, and what is told of how it ended."""

import pytest
from monty_runs import DENIED, TOOL, Kept, run

from callgate.runner.answer import Answer, Failure
from callgate.runner.sandbox.contract import Limits


def test_variables_go_in_and_come_out_with_their_types() -> None:
    ending = run(
        "total = sum(numbers)\nwords = {'a', 'b'}\n",
        input_vars={"numbers": [1, 2, 3.5]},
        output_vars={"total": "float", "words": "list[str]"},
    )
    assert ending.state == "completed"
    assert ending.results == {"total": 6.5, "words": ["a", "b"]}
    assert ending.usage is not None
    assert ending.usage.peak_memory is not None
    assert ending.usage.peak_memory > 1 << 20


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("pass", "never set it"),
        ("x = 'text'", "was declared as `int`"),
        ("x = float('nan')", "JSON cannot say"),
        ("x = []\nx.append(x)", "`list`"),
    ],
)
def test_an_output_variable_that_is_missing_or_of_another_type_is_named(script: str, said: str) -> None:
    ending = run(script, output_vars={"x": "int"})
    assert (ending.state, ending.cause) == ("failed", "output_vars")
    assert ending.error is not None
    assert said in ending.error.message
    assert "`x" in ending.error.message


def test_what_is_printed_arrives_on_its_stream() -> None:
    host = Kept()
    run("import sys\nprint('héllo')\nprint('bad', file=sys.stderr)", host)
    assert host.written == {"stdout": "héllo\n".encode(), "stderr": b"bad\n"}


def test_a_tool_is_a_function_that_takes_names_or_the_schemas_order() -> None:
    host = Kept(Answer(value={"id": 7}))
    ending = run(
        "first = mcp_Notes_add('milk', body={'n': [1, None]})\nadd = mcp_Notes_add\nsecond = add(title='eggs')",
        host,
        functions=(TOOL,),
        output_vars={"first": "dict", "second": "dict"},
    )
    assert host.calls == [
        ("mcp_Notes_add", {"title": "milk", "body": {"n": [1, None]}}),
        ("mcp_Notes_add", {"title": "eggs"}),
    ]
    assert ending.results == {"first": {"id": 7}, "second": {"title": "eggs"}}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("mcp_Notes_add(1, 2, 3)", "TypeError"),
        ("mcp_Notes_add('a', title='b')", "TypeError"),
        ("mcp_Notes_add(title=float('inf'))", "TypeError"),
        ("mcp_Notes_add(title='x' * 5_000_000)", "TypeError"),
        ("mcp_Notes_add(title=2 ** 20_000)", "TypeError"),
        ("mcp_Other_tool()", "NameError"),
    ],
)
def test_a_call_that_cannot_be_made_fails_in_the_script_and_never_reaches_the_host(
    call: str, error: str
) -> None:
    host = Kept()
    ending = run(f"try:\n    {call}\nexcept {error}:\n    print('caught')", host, functions=(TOOL,))
    assert ending.state == "completed"
    assert host.written["stdout"] == b"caught\n"
    assert host.calls == []


@pytest.mark.parametrize("caught", ["PermissionError", "ToolDenied", "callgate.ToolDenied", "ToolError"])
def test_a_denial_can_be_caught_and_says_rule_reason_and_when_to_retry(caught: str) -> None:
    host = Kept(Answer(failure=DENIED))
    ending = run(
        f"try:\n    mcp_Notes_add()\nexcept {caught} as error:\n    text = str(error)",
        host,
        functions=(TOOL,),
        output_vars={"text": "str"},
    )
    assert ending.results is not None
    for part in ("`add` is denied", "DEN001", "no-notes", "not on Sundays", "3 s"):
        assert part in ending.results["text"]


def test_a_denial_that_is_not_caught_ends_the_script_with_the_line_that_called() -> None:
    ending = run("x = 1\nmcp_Notes_add()\n", Kept(Answer(failure=DENIED)), functions=(TOOL,))
    assert (ending.state, ending.cause) == ("failed", "exception")
    assert ending.error is not None
    assert ending.error.type == "PermissionError"
    assert [(line.line, line.text) for line in ending.error.traceback] == [(2, "mcp_Notes_add()")]


def test_a_tool_that_failed_is_another_exception_than_one_that_was_denied() -> None:
    host = Kept(Answer(failure=Failure(kind="tool_error", message="disk full")))
    script = "try:\n    mcp_Notes_add()\nexcept ToolDenied:\n    x = 'denied'\nexcept ToolFailed as e:\n    x = str(e)"
    assert run(script, host, functions=(TOOL,), output_vars={"x": "str"}).results == {"x": "disk full"}


def test_progress_is_passed_on_and_nonsense_is_refused_in_the_script() -> None:
    host = Kept()
    ending = run(
        "report_progress(0.25, 'a quarter')\nreport_progress(1)\n"
        "try:\n    report_progress(7)\nexcept ValueError:\n    print('no')",
        host,
    )
    assert ending.state == "completed"
    assert host.told == [(0.25, "a quarter"), (1.0, None)]
    assert host.written["stdout"] == b"no\n"


def test_an_exception_is_told_with_the_scripts_lines() -> None:
    ending = run("def inverse(x):\n    return 1 / x\n\ninverse(0)\n")
    assert (ending.state, ending.cause) == ("failed", "exception")
    error = ending.error
    assert error is not None
    assert (error.type, error.line) == ("ZeroDivisionError", 2)
    assert [(line.line, line.function) for line in error.traceback] == [(4, "<module>"), (2, "inverse")]


def test_a_syntax_error_has_its_place() -> None:
    error = run("x = 1\ny = = 2\n").error
    assert error is not None
    assert (error.type, error.line, error.column) == ("SyntaxError", 2, 5)


def test_python_that_the_interpreter_lacks_is_explained() -> None:
    error = run("class Special(Exception):\n    pass\n").error
    assert error is not None
    assert error.help is not None
    assert "no inheritance" in error.help


def test_leaving_by_system_exit_is_an_end_like_any_other() -> None:
    ending = run("x = 1\nraise SystemExit\nx = 2", output_vars={"x": "int"})
    assert (ending.state, ending.results) == ("completed", {"x": 1})


def test_random_numbers_are_the_same_in_every_attempt_of_one_execution() -> None:
    script = "import random\nx = [random.random(), random.randint(1, 10**9)]"
    draws = [run(script, seed=seed, output_vars={"x": "list"}).results for seed in ("one", "one", "two")]
    assert draws[0] == draws[1] != draws[2]


def test_secrets_are_there_by_name_and_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER_TOKEN", "of the runner")
    ending = run(
        "import os\ngiven = secrets['KEY'] == 'abc'\nseen = os.getenv('RUNNER_TOKEN')\nsize = len(os.environ)",
        secrets={"KEY": "abc"},
        output_vars={"given": "bool", "seen": "any", "size": "int"},
    )
    assert ending.results == {"given": True, "seen": None, "size": 0}


def test_results_larger_than_allowed_end_the_run_and_smaller_ones_do_not() -> None:
    limits = Limits(wall_seconds=60, results=1000)
    fits = run("x = 'a' * 900", output_vars={"x": "str"}, limits=limits)
    too_large = run("x = 'a' * 1100", output_vars={"x": "str"}, limits=limits)
    assert fits.state == "completed"
    assert (too_large.state, too_large.cause) == ("failed", "result_size")


def test_one_list_two_to_the_fortieth_times_is_a_result_too_large() -> None:
    ending = run(
        "x = [0]\nfor _ in range(40):\n    x = [x, x]\n",
        output_vars={"x": "list"},
        limits=Limits(wall_seconds=60, results=10_000),
    )
    assert (ending.state, ending.cause) == ("failed", "result_size")
