"""Tool calls, progress, variables and secrets as a script meets them."""

import threading
from typing import Any

import pytest
from inside import PACKAGES, UID, USERS, Inside, command, job, run_inside, talk

from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.contract import Function, Limits

LOG = Function(name="mcp_Git_log", description="Shows the commits.", parameters=("repo", "max_count"))
LIST = Function(name="mcp_Files_list")


def test_a_tool_is_a_function_with_its_name_and_description() -> None:
    outcome = run_inside(
        "x = mcp_Git_log(repo='a', max_count=2)\nn, d = mcp_Git_log.__name__, mcp_Git_log.__doc__",
        outputs={"x": "any", "n": "str", "d": "str"},
        functions=[LOG],
        answering=lambda name, arguments: [name, arguments],
    )
    assert outcome.results == {
        "x": ["mcp_Git_log", {"repo": "a", "max_count": 2}],
        "n": "mcp_Git_log",
        "d": "Shows the commits.",
    }
    assert [call["seq"] for call in outcome.calls] == [0]


def test_arguments_by_position_go_to_the_parameters_in_their_order() -> None:
    outcome = run_inside(
        "mcp_Git_log('a', 3)\nmcp_Git_log('b', max_count=4)", functions=[LOG], answering=lambda *_: None
    )
    assert [call["arguments"] for call in outcome.calls] == [
        {"repo": "a", "max_count": 3},
        {"repo": "b", "max_count": 4},
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("mcp_Git_log(1, 2, 3)", "mcp_Git_log() takes at most 2 arguments (repo, max_count), 3 were given"),
        ("mcp_Git_log(1, repo=2)", "mcp_Git_log() got two values for `repo`"),
        ("mcp_Files_list(1)", "mcp_Files_list() takes its arguments by name: mcp_Files_list(name=value)"),
        ("mcp_Git_log(repo=object())", "mcp_Git_log(): `repo` is `object`, which cannot be written as JSON"),
        (
            "mcp_Git_log(repo={'a': [float('nan')]})",
            "mcp_Git_log(): `repo['a'][0]` is nan, which JSON cannot say",
        ),
        ("mcp_Git_log(repo='a' * 10**7)", "mcp_Git_log(): the arguments take more than"),
        ("mcp_Git_log(repo='\\ud800')", "mcp_Git_log(): the arguments cannot be written as JSON"),
    ],
)
def test_arguments_that_cannot_be_sent_are_a_type_error_in_the_script(code: str, message: str) -> None:
    outcome = run_inside(code, functions=[LOG, LIST])
    assert outcome.error["type"] == "TypeError"
    assert message in outcome.error["message"]
    assert outcome.calls == []
    assert outcome.error["traceback"] == [{"line": 1, "function": "<module>", "text": code}]


def test_arguments_are_converted_as_results_are() -> None:
    script = """
import datetime, numpy, pandas
mcp_Git_log(repo=numpy.arange(2), max_count=pandas.DataFrame({"a": [datetime.date(2026, 1, 2)]}))
"""
    outcome = run_inside(script, functions=[LOG], answering=lambda *_: None, packages=[PACKAGES])
    assert outcome.calls[0]["arguments"] == {"repo": [0, 1], "max_count": [{"a": "2026-01-02"}]}


def failure(**parts: Any) -> dict[str, Any]:
    full = {
        "kind": "failed",
        "message": "m",
        "code": None,
        "rule": None,
        "reason": None,
        "retry_after": None,
        "ran": True,
    }
    return {"failure": {**full, **parts}}


@pytest.mark.parametrize("imported", ["", "import callgate"])
def test_a_denial_can_be_caught_with_its_rule_reason_and_wait(imported: str) -> None:
    script = f"""
{imported}
try:
    mcp_Git_log(repo="a")
except callgate.ToolDenied as error:
    x = [str(error), error.rule, error.reason, error.code, error.retry_after, error.ran]
    base = isinstance(error, callgate.ToolError)
"""
    outcome = run_inside(
        script,
        outputs={"x": "list", "base": "bool"},
        functions=[LOG],
        answering=lambda *_: failure(
            kind="denied",
            message="too many",
            rule="git",
            reason="10 per minute",
            code="RATE",
            retry_after=2.5,
        ),
    )
    assert outcome.results == {"x": ["too many", "git", "10 per minute", "RATE", 2.5, False], "base": True}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("denied", "ToolDenied"),
        ("tool_error", "ToolFailed"),
        ("failed", "ToolFailed"),
        ("interrupted", "ToolFailed"),
        ("unknown_tool", "ToolUnknown"),
    ],
)
def test_a_failure_that_nobody_catches_ends_the_script(kind: str, name: str) -> None:
    script = "def go():\n    mcp_Git_log()\ngo()"
    error = run_inside(script, functions=[LOG], answering=lambda *_: failure(kind=kind, message="why")).error
    assert (error["kind"], error["type"], error["message"], error["line"]) == (
        "exception",
        f"callgate.{name}",
        "why",
        2,
    )
    assert [line["line"] for line in error["traceback"]] == [3, 2]


def test_calls_from_many_threads_get_each_its_own_answer() -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    x = list(pool.map(lambda n: mcp_Git_log(repo=n), range(200)))
"""
    outcome = run_inside(
        script, outputs={"x": "list"}, functions=[LOG], answering=lambda _, arguments: arguments["repo"] * 2
    )
    assert outcome.results["x"] == [n * 2 for n in range(200)]
    assert [call["seq"] for call in outcome.calls] == list(range(200))


def test_answers_may_come_in_any_order() -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(5) as pool:
    x = list(pool.map(lambda n: mcp_Git_log(repo=n), range(5)))
"""
    with Inside(command(USERS[0], _arguments())) as inside:
        calls = []
        for frame in inside.frames():
            if frame["t"] == "ready":
                inside.send(job(script, outputs={"x": "list"}, functions=[LOG]))
            elif frame["t"] == "call":
                calls.append(frame)
                if len(calls) == 5:
                    for call in reversed(calls):
                        inside.send({"t": "answer", "seq": call["seq"], "value": call["arguments"]["repo"]})
            else:
                assert frame["results"] == {"x": [0, 1, 2, 3, 4]}
        assert inside.status() == 0


def _arguments(**named: Any) -> list[str]:
    return guest_files.arguments(Limits(), uid=UID if USERS[0] == "dropped" else None, **named)


def test_a_call_goes_on_after_a_signal_handler_of_the_script() -> None:
    script = """
import signal
hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
x = [mcp_Git_log(repo=n) for n in range(3)]
"""
    done = threading.Event()
    outcome = run_inside(
        script,
        outputs={"x": "list"},
        functions=[LOG],
        answering=lambda _, arguments: [done.wait(0.02), arguments["repo"]][1],
    )
    assert outcome.results == {"x": [0, 1, 2]}


def test_a_call_that_an_exception_breaks_off_does_not_take_the_answer_of_the_next() -> None:
    script = """
import signal
def break_off(*_): raise KeyError("late")
signal.signal(signal.SIGALRM, break_off)
signal.setitimer(signal.ITIMER_REAL, 0.01)
try:
    mcp_Git_log(repo="first")
except KeyError:
    pass
x = mcp_Git_log(repo="second")
"""
    waiting = threading.Event()

    def answering(_: str, arguments: dict[str, Any]) -> Any:
        if arguments["repo"] == "first":
            waiting.wait(0.05)
        return arguments["repo"]

    outcome = run_inside(script, outputs={"x": "str"}, functions=[LOG], answering=answering)
    assert outcome.results == {"x": "second"}


def test_progress_is_told_as_it_comes() -> None:
    outcome = run_inside("report_progress(0.5, 'half')\nimport callgate\ncallgate.report_progress(1)")
    assert outcome.progress == [(0.5, "half"), (1.0, None)]


@pytest.mark.parametrize(
    "code",
    ["report_progress(2)", "report_progress(-1)", "report_progress('x')", "report_progress(float('nan'))"],
)
def test_progress_is_a_number_from_zero_to_one(code: str) -> None:
    error = run_inside(code).error
    assert error["message"] == "report_progress() takes a number from 0 to 1"


def test_input_arrives_as_variables() -> None:
    inputs = {"a": [1, {"b": None}], "é": "ü", "n": 10**25}
    assert run_inside("x = [a, é, n]", inputs=inputs, outputs={"x": "list"}).results == {
        "x": list(inputs.values())
    }


def test_secrets_are_there_if_granted_and_never_printed_whole() -> None:
    outcome = run_inside(
        "print(secrets, [secrets])\nx = secrets['KEY']\nn = list(secrets)",
        secrets={"KEY": "s3cret"},
        outputs={"x": "str", "n": "list"},
    )
    assert outcome.results == {"x": "s3cret", "n": ["KEY"]}
    assert "s3cret" not in outcome.stdout
    error = run_inside("'B' in secrets or secrets['B']").error
    assert error["type"] == "KeyError"
    assert "there is no secret 'B' here; name it in `required_secrets`" in error["message"]
    error = run_inside("import secrets\nx = secrets['KEY']", secrets={"KEY": "s3cret"}).error
    assert "import secrets as" in error["help"]


def test_the_script_finds_itself_as_the_main_module() -> None:
    script = """
import sys, __main__
x = [__name__, __file__, sys.argv, __main__.__dict__ is globals(), "callgate_guest" in "".join(sys.path)]
"""
    results = run_inside(script, outputs={"x": "list"}).results
    assert results["x"] == ["__main__", "script.py", ["script.py"], True, False]


def test_a_sandbox_whose_job_never_comes_ends_when_its_host_does() -> None:
    with Inside(command(USERS[0], _arguments())) as inside:
        frames = inside.frames()
        assert next(frames)["t"] == "ready"
        inside.hang_up()
        assert list(frames) == []
        assert inside.status() == 0


def test_modules_asked_for_are_there_before_the_sandbox_is_ready() -> None:
    with Inside(command(USERS[0], _arguments(preload=["pandas"], paths=[PACKAGES]))) as inside:
        outcome = talk(inside, job("import sys\nx = 'pandas' in sys.modules", outputs={"x": "bool"}))
    assert outcome.results == {"x": True}
