"""Each bound of a run has an end state of its own, and the message says what was exceeded."""

import os

import pytest
from msgspec.structs import replace
from sandbox_runs import LIMITS, TOOL, Bench

MEMORY_HOG = "kept = []\nwhile True: kept.append(bytearray(1 << 20))\n"


def test_a_script_completes_with_output_and_results(bench: Bench) -> None:
    ending, host = bench.run(
        "import sys\nprint('out', given)\nprint('err', file=sys.stderr)\nanswer = given + 1\n",
        input_vars={"given": 41},
        output_vars={"answer": "int"},
    )
    assert (ending.state, ending.cause, ending.results) == ("completed", None, {"answer": 42})
    assert (host.stdout, host.stderr) == (b"out 41\n", b"err\n")
    assert ending.usage is not None
    assert ending.usage.wall_ms > 0
    assert 1 << 20 < (ending.usage.peak_memory or 0) < 256 << 20
    assert (ending.usage.cpu_ms or 0) > 0


def test_an_exception_ends_a_script_with_its_lines(bench: Bench) -> None:
    ending, _ = bench.run("def f():\n    return 1 / 0\n\nf()\n")
    assert (ending.state, ending.cause) == ("failed", "exception")
    assert ending.error is not None
    assert ending.error.type == "ZeroDivisionError"
    assert [(each.line, each.function) for each in ending.error.traceback] == [(4, "<module>"), (2, "f")]


def test_an_output_variable_that_was_never_set_is_named(bench: Bench) -> None:
    ending, _ = bench.run("a = 1\n", output_vars={"b": "int"})
    assert (ending.state, ending.cause) == ("failed", "output_vars")
    assert ending.error is not None
    assert "`b`" in ending.error.message


@pytest.mark.parametrize(
    ("script", "limits", "state", "cause"),
    [
        (
            "import time\nprint('on', flush=True)\ntime.sleep(60)\n",
            {"wall_seconds": 0.3},
            "timed_out",
            "wall_clock",
        ),
        ("while True: pass\n", {"cpu_seconds": 0.2}, "resource_killed", "cpu_time"),
        (MEMORY_HOG, {}, "resource_killed", "memory"),
        (
            "while True: print('x' * 1000)\n",
            {"output": 1000, "output_factor": 10},
            "resource_killed",
            "output",
        ),
        ("open('/work/big', 'wb').write(bytes(9 << 20))\n", {}, "resource_killed", "disk"),
        (
            "for n in range(12): open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))\n",
            {},
            "resource_killed",
            "disk",
        ),
        ("for n in range(1000): open(f'/tmp/{n}', 'w').close()\n", {}, "resource_killed", "inodes"),
        (
            "import threading, time\n"
            "for n in range(100): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n",
            {"memory": 1 << 30},
            "resource_killed",
            "processes",
        ),
        ("big = 'x' * 5000\n", {"results": 1000}, "failed", "result_size"),
        ("import os\nos._exit(3)\n", {}, "failed", "crashed"),
        ("import ctypes\nctypes.string_at(1)\n", {}, "failed", "crashed"),
        ("import os\nos.abort()\n", {}, "failed", "crashed"),
        ("import os\nos.write(4, b'\\xff\\xff\\xff\\xff' + b'x' * 20)\n", {}, "failed", "crashed"),
        ("import os\nos.write(4, b'\\0\\0\\0\\2{}')\nwhile True: pass\n", {}, "failed", "crashed"),
        ("import os\nos.close(4)\n", {}, "failed", "crashed"),
    ],
)
def test_a_bound_that_is_exceeded_ends_the_run_in_its_own_state(
    bench: Bench, script: str, limits: dict[str, float], state: str, cause: str
) -> None:
    ending, _ = bench.run(
        script, replace(LIMITS, **limits), output_vars={"big": "str"} if "big =" in script else {}
    )
    assert (ending.state, ending.cause) == (state, cause), ending
    assert ending.error is not None
    assert ending.error.message


def test_a_signal_that_ended_the_interpreter_is_named(bench: Bench) -> None:
    ending, _ = bench.run("import ctypes\nctypes.string_at(1)\n")
    assert ending.error is not None
    assert "SIGSEGV" in ending.error.message


def test_what_was_written_before_the_end_is_kept(bench: Bench) -> None:
    ending, host = bench.run(
        "import sys\nsys.stdout.write('x' * 300000)\nsys.stdout.flush()\nimport ctypes\nctypes.string_at(1)\n"
    )
    assert ending.state == "failed"
    assert len(host.stdout) == 300000


def test_output_is_handed_on_up_to_the_bound_and_no_further(bench: Bench) -> None:
    ending, host = bench.run("while True: print('x' * 1000)\n", replace(LIMITS, output=1000, output_factor=7))
    assert (ending.cause, len(host.stdout)) == ("output", 7000)


def test_threads_that_never_end_do_not_delay_the_end(bench: Bench) -> None:
    ending, _ = bench.run(
        "import threading, time, atexit\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "atexit.register(time.sleep, 1000)\n"
    )
    assert ending.state == "completed"
    assert ending.usage is not None
    assert ending.usage.wall_ms < 20_000


def test_a_script_that_goes_on_after_its_last_word_is_ended(bench: Bench) -> None:
    ending, _ = bench.run(
        'import os\nbody = b\'{"t":"done","results":{}}\'\n'
        "os.write(4, len(body).to_bytes(4, 'big') + body)\nwhile True: pass\n",
        replace(LIMITS, wall_seconds=20.0),
    )
    assert ending.state == "completed"
    assert ending.usage is not None
    assert ending.usage.wall_ms < 15_000


def test_a_script_may_not_speak_after_its_last_word(bench: Bench) -> None:
    ending, _ = bench.run(
        'import os\nbody = b\'{"t":"done","results":{}}\'\n'
        "os.write(4, (len(body).to_bytes(4, 'big') + body) * 2)\nwhile True: pass\n"
    )
    assert (ending.state, ending.cause) == ("failed", "crashed")


@pytest.mark.skipif(os.geteuid() != 0, reason="there it is the first process, which nothing inside can kill")
def test_a_script_that_kills_itself_is_not_said_to_be_killed_by_others(bench: Bench) -> None:
    ending, _ = bench.run("import os\nos.kill(os.getpid(), 9)\n")
    assert (ending.state, ending.cause) == ("failed", "crashed")
    assert ending.error is not None
    assert "by itself or from outside" in ending.error.message


def test_progress_reaches_the_host(bench: Bench) -> None:
    _, host = bench.run("for n in range(1001): report_progress(n / 1000, f'step {n}')\n")
    assert host.steps[-1] == (1.0, "step 1000")
    assert len(host.steps) < 500


def test_calls_are_answered_also_from_several_threads_at_once(bench: Bench) -> None:
    ending, _ = bench.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    found = [each['arguments']['name'] for each in pool.map(mcp_Shop_find, range(50))]\n",
        functions=TOOL,
        output_vars={"found": "list"},
    )
    assert ending.results == {"found": list(range(50))}, ending
