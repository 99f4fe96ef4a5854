"""Nothing outlives its run, its backend or its host: no process, no zombie, no descriptor, no mount, no folder."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from killed_host import MOMENTS
from sandbox_runs import LIMITS, TOOL, Bench, KeepingHost, children, descriptors, job, mounts
from tests.support.plain_user import plain_folder, run_plain

from callgate.errors import SandboxError
from callgate.runner.answer import Answer
from callgate.runner.sandbox.bwrap.backend import environment_of
from callgate.runner.sandbox.bwrap.process import Process

HERE = Path(__file__).parent
SPIN = "print('on', flush=True)\nwhile True: pass\n"


async def _settled(bench: Bench) -> None:
    """Until the pool is full again."""
    pool = bench.backend._pool
    while pool is not None and (pool.waiting < 1 or pool._refilling is not None):
        await asyncio.sleep(0.005)


def test_two_hundred_runs_leave_nothing(bench: Bench) -> None:
    async def many() -> None:
        at_once = asyncio.Semaphore(8)

        async def one(number: int) -> str:
            script = SPIN if number % 40 == 39 else "print(1)\n"
            limits = LIMITS if number % 40 != 39 else job("", LIMITS).limits
            async with at_once:
                running = asyncio.create_task(bench.backend.run(job(script, limits), host := KeepingHost()))
                if number % 40 == 39:
                    await host.said.wait()
                    running.cancel()
                    await asyncio.wait([running])
                    return "cancelled" if running.cancelled() else "not cancelled"
                return (await running).state

        states = await asyncio.gather(*(one(number) for number in range(200)))
        assert {state: states.count(state) for state in set(states)} == {"completed": 195, "cancelled": 5}

    bench.do(_settled(bench))
    before = (descriptors(), mounts(), len(children()))
    bench.do(many())
    bench.do(_settled(bench))
    assert (descriptors(), mounts(), len(children())) == before


def test_a_closed_backend_leaves_nothing() -> None:
    before = (descriptors(), mounts(), children())
    made = Bench(pool=2)
    folder = made.backend._guest.path
    assert os.path.isdir(folder)
    made.close()
    assert (descriptors(), mounts(), children()) == before
    assert not os.path.exists(folder)
    with pytest.raises(SandboxError):
        asyncio.run(made.backend.run(job("print(1)"), KeepingHost()))


def test_closing_ends_runs_that_are_under_way() -> None:
    before = children()
    made = Bench()

    async def close() -> None:
        host = KeepingHost()
        running = asyncio.create_task(made.backend.run(job(SPIN), host))
        await host.said.wait()
        await made.backend.close()
        assert running.cancelled()

    made.do(close())
    assert children() == before
    made.close()


def test_a_cancelled_run_is_dead_before_the_caller_goes_on(bench: Bench) -> None:
    async def cancel() -> None:
        host = KeepingHost()
        running = asyncio.create_task(bench.backend.run(job(SPIN), host))
        await host.said.wait()
        inside = [pid for pid in children() if b"callgate_guest" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await _settled(bench)
        # of those that there were, only one that waited in the pool can still be there
        assert len([pid for pid in inside if os.path.exists(f"/proc/{pid}")]) <= 2

    bench.do(cancel())


def test_a_run_cancelled_again_and_again_is_dead_all_the_same(bench: Bench) -> None:
    async def cancel() -> None:
        host = KeepingHost()
        running = asyncio.create_task(bench.backend.run(job(SPIN), host))
        await host.said.wait()
        while not running.done():
            running.cancel()
            await asyncio.sleep(0)
        assert running.cancelled()

    bench.do(cancel())
    bench.do(_settled(bench))


def test_a_start_that_is_cancelled_leaves_nothing(bench: Bench) -> None:
    async def cancel() -> None:
        for turns in range(40):
            starting = asyncio.create_task(bench.backend._start(environment_of(LIMITS)))
            for _ in range(turns):
                await asyncio.sleep(0.001)
            starting.cancel()
            try:
                sandbox = await starting
            except asyncio.CancelledError:
                continue
            await sandbox.dead()

    bench.do(_settled(bench))
    before = (descriptors(), len(children()))
    bench.do(cancel())
    assert (descriptors(), len(children())) == before


def test_a_run_cancelled_in_the_middle_of_a_call_cancels_the_call(bench: Bench) -> None:
    async def cancel() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def tool(function: str, arguments: dict[str, object]) -> Answer:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return Answer()

        running = asyncio.create_task(
            bench.backend.run(job("mcp_Shop_find(name='x')", functions=TOOL), KeepingHost(tool))
        )
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert ended.is_set()

    bench.do(cancel())


def test_what_a_call_raises_ends_the_run_and_is_raised(bench: Bench) -> None:
    async def run() -> None:
        async def tool(function: str, arguments: dict[str, object]) -> Answer:
            raise LookupError("the journal is gone")

        with pytest.raises(LookupError):
            await bench.backend.run(job("mcp_Shop_find(name='x')", functions=TOOL), KeepingHost(tool))

    bench.do(run())


def test_a_sandbox_that_dies_while_it_waits_is_replaced(bench: Bench) -> None:
    async def replaced() -> None:
        await _settled(bench)
        pool = bench.backend._pool
        assert pool is not None
        (waiting,) = (sandbox for ready in pool._ready.values() for sandbox in ready)
        assert isinstance(waiting.process, Process)
        assert waiting.process.first is not None
        os.kill(waiting.process.first, signal.SIGKILL)
        await waiting.process.ended
        assert pool.waiting == 0
        await _settled(bench)
        (other,) = (sandbox for ready in pool._ready.values() for sandbox in ready)
        assert other is not waiting
        assert other.alive

    bench.do(replaced())


def test_a_sandbox_whose_bubblewrap_is_killed_dies_with_it(bench: Bench) -> None:
    async def killed() -> None:
        sandbox = await bench.backend._start(environment_of(LIMITS))
        assert isinstance(sandbox.process, Process)
        assert sandbox.process.first is not None
        first = os.pidfd_open(sandbox.process.first)
        os.kill(sandbox.process.pid, signal.SIGKILL)
        await sandbox.process.ended
        # readable: it has ended
        assert select.select([first], [], [], 0)[0] == [first]
        os.close(first)

    bench.do(killed())


def test_nothing_outlives_a_host_that_is_killed_at_any_moment() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "killed_host.py")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(MOMENTS), done.stderr


def test_nothing_outlives_a_host_of_a_plain_user_that_is_killed_at_any_moment() -> None:
    with plain_folder() as folder:
        script = folder / "killed_host.py"
        script.write_text((HERE / "killed_host.py").read_text())
        done = run_plain(script)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(MOMENTS), done.stderr
