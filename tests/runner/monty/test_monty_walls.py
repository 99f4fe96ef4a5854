"""What a script in Monty cannot do, and what ends one that uses too much; nothing of it is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from monty_runs import TOOL, Kept, interpreters, job, run

from callgate.errors import SandboxError
from callgate.runner.sandbox.contract import Limits, Packages
from callgate.runner.sandbox.monty import backend as backend_module
from callgate.runner.sandbox.monty import selftest
from callgate.runner.sandbox.monty.backend import MODULES, MontyBackend


@pytest.mark.parametrize(("name", "script", "errors"), selftest.ATTEMPTS)
def test_what_the_self_test_tries_is_refused(name: str, script: str, errors: frozenset[str]) -> None:
    ending = run(script, limits=Limits(memory=64 << 20, cpu_seconds=0.2, wall_seconds=60))
    assert ending.error is not None
    assert ending.error.type in errors


def test_it_opens_with_every_wall_held_and_leaves_nothing_when_closed() -> None:
    before = interpreters()

    async def body() -> None:
        backend = MontyBackend(pool=2)
        reports = await backend.open()
        assert len(reports) == len(selftest.ATTEMPTS) + 1
        assert all(report.held for report in reports)
        assert len(interpreters() - before) >= 4  # two children, each with its interpreter
        await backend.close()
        await backend.close()

    asyncio.run(body())
    assert interpreters() <= before


def test_a_wall_that_does_not_hold_refuses_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = ("print a word", "print('out')", frozenset({"PermissionError"}))
    monkeypatch.setattr(selftest, "ATTEMPTS", (attempt,))
    with pytest.raises(SandboxError, match="print a word") as raised:
        asyncio.run(MontyBackend(pool=0).open())
    assert raised.value.code == "SBX052"
    assert raised.value.exit_status == 6


def test_without_the_package_it_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_module, "find_spec", lambda _: None)
    with pytest.raises(SandboxError) as raised:
        asyncio.run(MontyBackend().open())
    assert raised.value.code == "SBX050"
    assert "callgate[monty]" in (raised.value.help or "")


def test_importing_the_backend_does_not_load_the_interpreter() -> None:
    code = (
        "import sys\nfrom callgate.runner.sandbox.monty.backend import MontyBackend\n"
        "MontyBackend()\nprint('pydantic_monty' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("script", "limits", "state", "cause"),
    [
        ("while True:\n    pass", Limits(wall_seconds=0.5), "timed_out", "wall_clock"),
        ("import time\ntime.sleep(3600)", Limits(wall_seconds=0.5), "timed_out", "wall_clock"),
        ("while True:\n    pass", Limits(cpu_seconds=0.2), "resource_killed", "cpu_time"),
        ("x = 9 ** 9 ** 9", Limits(memory=64 << 20), "resource_killed", "memory"),
        (
            "x = []\nwhile True:\n    x.append('a' * 9999)",
            Limits(memory=64 << 20),
            "resource_killed",
            "memory",
        ),
        (
            "try:\n    x = 'a' * 10**9\nexcept MemoryError:\n    1",
            Limits(memory=64 << 20),
            "resource_killed",
            "memory",
        ),
        (
            "while True:\n    print('x' * 999)",
            Limits(output=1000, output_factor=4),
            "resource_killed",
            "output",
        ),
        ("def f():\n    f()\nf()", Limits(), "failed", "exception"),
        ("x = eval('(' * 100_000)", Limits(), "failed", "exception"),
        ("mcp_Notes_add(title='a' * 20_000_000)", Limits(memory=150 << 20), "failed", "exception"),
    ],
)
def test_what_uses_too_much_ends_with_its_own_cause(
    script: str, limits: Limits, state: str, cause: str
) -> None:
    ending = run(script, limits=limits, functions=(TOOL,))
    assert (ending.state, ending.cause) == (state, cause)
    assert ending.error is not None


def test_sleep_does_not_count_as_computing() -> None:
    ending = run("import time\ntime.sleep(0.4)", limits=Limits(cpu_seconds=0.2, wall_seconds=60))
    assert ending.state == "completed"


def test_a_run_that_is_cancelled_is_dead_before_the_cancellation_goes_on() -> None:
    before = interpreters()

    async def body() -> None:
        host = Kept()
        task = asyncio.ensure_future(MontyBackend(pool=0).run(job("print(1)\nwhile True:\n    pass"), host))
        await host.wrote.wait()
        assert interpreters() > before
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert interpreters() <= before

    asyncio.run(body())


@pytest.mark.parametrize("which", ["interpreter", "driver"])
def test_a_process_that_dies_under_a_script_ends_that_run_and_no_other(which: str) -> None:
    before = interpreters()

    async def body() -> None:
        backend = MontyBackend(pool=0)
        host, other = Kept(), Kept()
        task = asyncio.ensure_future(backend.run(job("print(1)\nwhile True:\n    pass"), host))
        await host.wrote.wait()
        child, interpreter = sorted(interpreters() - before)
        os.kill(interpreter if which == "interpreter" else child, signal.SIGKILL)
        ending = await task
        assert (ending.state, ending.cause) == ("failed", "crashed")
        assert (await backend.run(job("print(2)"), other)).state == "completed"

    asyncio.run(body())
    # The driver reaps its interpreter; if the driver itself was killed, whoever inherits does.
    deadline = time.monotonic() + 10
    while interpreters() - before and time.monotonic() < deadline:
        os.sched_yield()
    assert interpreters() <= before


def test_when_the_runner_is_killed_a_spinning_script_dies_with_it(tmp_path: Path) -> None:
    program = tmp_path / "runner.py"
    program.write_text(
        "import asyncio, sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "from monty_runs import *\n"
        "class Telling(Kept):\n"
        "    def output(self, stream, data):\n"
        "        print(*interpreters(), flush=True)\n"
        "asyncio.run(MontyBackend(pool=0).run(job('print(1)\\nwhile True:\\n    pass'), Telling()))\n"
    )
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        pids = [int(pid) for pid in runner.stdout.readline().split()]
        watched = [os.pidfd_open(pid) for pid in pids]
        runner.kill()
    assert len(watched) == 2
    import select

    for descriptor in watched:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(10_000)  # readable: the process has ended
        os.close(descriptor)


def test_the_interpreter_can_open_nothing_even_if_it_were_broken() -> None:
    before = interpreters()

    async def body() -> None:
        host = Kept()
        task = asyncio.ensure_future(MontyBackend(pool=0).run(job("print(1)\nwhile True:\n    pass"), host))
        await host.wrote.wait()
        interpreter = max(interpreters() - before)
        assert b"monty" in Path(f"/proc/{interpreter}/cmdline").read_bytes()
        rows = Path(f"/proc/{interpreter}/limits").read_text().splitlines()
        found = {row[:26].strip(): row[26:].split()[1] for row in rows}
        assert (found["Max open files"], found["Max file size"], found["Max core file size"]) == (
            "0",
            "0",
            "0",
        )
        assert int(found["Max address space"]) <= (1 << 30) + (1 << 30)
        assert Path(f"/proc/{interpreter}/environ").read_bytes() == b""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(body())


def test_a_pool_is_refilled_and_each_child_is_used_once() -> None:
    async def body() -> None:
        backend = MontyBackend(pool=1)
        await backend.open()
        try:
            endings = await asyncio.gather(*(backend.run(job("x = 1"), Kept()) for _ in range(4)))
            assert {ending.state for ending in endings} == {"completed"}
            ending = await backend.run(job("print(x)"), Kept())
            assert ending.error is not None
            assert ending.error.type == "NameError"
        finally:
            await backend.close()

    asyncio.run(body())


def test_it_refuses_what_it_cannot_give_and_says_what_it_has() -> None:
    backend = MontyBackend()
    assert "additional_imports" in (backend.refuses(job("", packages=(Packages(key="k", path="/p"),))) or "")
    assert "network" in (backend.refuses(job("", network=("example.com:443",))) or "")
    refusal = backend.refuses(job("import json\nfrom pandas.io import x\n")) or ""
    assert "`pandas`" in refusal
    assert "json" in refusal
    assert "without import" in (backend.refuses(job("from callgate import ToolDenied")) or "")
    assert backend.refuses(job("import json, math\nfrom datetime import date")) is None
    assert backend.refuses(job("not python at all (")) is None


def test_the_modules_it_names_are_those_that_the_interpreter_has() -> None:
    tried = sorted(sys.stdlib_module_names)
    script = "found = []\n" + "".join(
        f"try:\n    import {name}\n    found.append('{name}')\nexcept ImportError:\n    pass\n"
        for name in tried
    )
    ending = run(script, output_vars={"found": "list"})
    assert ending.results is not None
    assert frozenset(ending.results["found"]) == MODULES
