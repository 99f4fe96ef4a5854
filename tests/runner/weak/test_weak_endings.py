"""Every bound has its own end behind the weaker walls, and nothing is left of a script: as root and as a plain user."""

import asyncio
import os

import pytest
from msgspec.structs import replace
from weak_runs import LIMITS, Listener, WeakBench, left_behind, weak_job

SPIN = "while True: pass\n"
BOUNDS = {
    "memory": ("x = bytearray(1 << 30)", "memory"),
    "one large file": ("open('f', 'wb').write(bytes(6 << 20))", "disk"),
    "many files": ("for i in range(9): open(f'f{i}', 'wb').write(bytes(1 << 20))\n" + SPIN, "disk"),
    "sparse files count what they take": (
        "for i in range(99):\n    f = open(f'f{i}', 'wb'); f.seek(i); f.write(bytes(99999))\n" + SPIN,
        "disk",
    ),
    "files that are unlinked": (
        "import os\nkept = []\nwhile True:\n    f = open('f', 'wb'); os.unlink('f'); f.write(bytes(3 << 20))\n"
        "    kept = [*kept[-20:], f]\n",
        "disk",
    ),
    "empty files": ("for i in range(999): open(f'f{i}', 'w').close()\n" + SPIN, "inodes"),
    "folders that nobody may list": (
        "import os\nos.mkdir('d', 0o300)\nfor i in range(999): open(f'd/{i}', 'w').close()\n" + SPIN,
        "inodes",
    ),
    "deep folders": (
        "import os\nfor i in range(200): os.mkdir('d', 0o300); os.chdir('d')\n" + SPIN,
        "inodes",
    ),
    "threads": (
        "import threading\nthreading.stack_size(65536)\nstop = threading.Event()\n"
        "for i in range(40): threading.Thread(target=stop.wait).start()\nstop.wait()\n",
        "processes",
    ),
    "processor time": (SPIN, "cpu_time"),
    "output": ("while True: print('x' * 9999)", "output"),
}


@pytest.mark.parametrize(("script", "cause"), BOUNDS.values(), ids=BOUNDS)
def test_what_goes_beyond_a_bound_is_ended_for_it(weak: WeakBench, script: str, cause: str) -> None:
    limits = replace(LIMITS, cpu_seconds=1.0 if cause == "cpu_time" else None, output=10_000)
    ending, _ = weak.run(script, limits)
    assert (ending.state, ending.cause) == ("resource_killed", cause), ending


def test_rewriting_a_file_is_not_using_room(weak: WeakBench) -> None:
    ending, _ = weak.run("for i in range(20): open('f', 'wb').write(bytes(3 << 20))")
    assert ending.state == "completed", ending


def test_much_output_and_large_calls_are_not_counted_as_files(weak: WeakBench) -> None:
    from callgate.runner.sandbox.contract import Function

    script = "import time\nfor i in range(14): mcp_S_t(a='x' * (5 << 20))\ntime.sleep(0.2)\n"
    functions = [Function(name="mcp_S_t", parameters=("a",))]
    limits = replace(LIMITS, disk=1 << 20)
    ending, _ = weak.run(script, limits, functions=functions)
    assert ending.state == "completed", ending


@pytest.mark.parametrize(
    "script",
    ["import time; time.sleep(99)", SPIN, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"],
    ids=["sleeping", "spinning", "stopped"],
)
def test_the_time_of_a_script_is_bounded(weak: WeakBench, script: str) -> None:
    ending, _ = weak.run(script, replace(LIMITS, wall_seconds=0.5))
    assert (ending.state, ending.cause) == ("timed_out", "wall_clock")


def test_a_script_that_ends_its_interpreter_has_failed(weak: WeakBench) -> None:
    ending, _ = weak.run("import os; os._exit(0)")
    assert (ending.state, ending.cause) == ("failed", "crashed")
    ending, _ = weak.run("import ctypes; ctypes.string_at(0)")
    assert (ending.state, ending.cause) == ("failed", "crashed")


def test_a_cancelled_script_is_gone_with_its_folder() -> None:
    """On a backend of its own: others' folders are not to be counted."""
    bench = WeakBench()
    backend, folder = bench.backend, bench.backend._guest.path

    async def cancelled() -> list[str]:
        host = Listener()
        script = (
            "import os, time\nos.makedirs('a/b'); os.mkdir('locked', 0)\nprint(os.getpid(), flush=True)\n"
            "time.sleep(99)"
        )
        task = asyncio.create_task(backend.run(weak_job(script), host))
        await host.said.wait()
        pid = int(host.written)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        return list(left_behind(folder))

    before = set(left_behind(folder))
    try:
        assert not set(bench.do(cancelled())) & before
    finally:
        bench.close()
    assert not os.path.exists(folder)


def test_a_deep_locked_tree_is_removed_with_the_script() -> None:
    bench = WeakBench()
    folder = bench.backend._guest.path
    bench.run("import os\nfor i in range(280): os.mkdir('d', 0o700); os.chdir('d')\nos.mkdir('e', 0)\n")
    bench.close()
    assert not os.path.exists(folder)
