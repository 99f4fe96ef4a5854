"""What is measured by itself: throughput, what refilling the pool does to a script that runs, and memory."""

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench.runner.clients import raw_client
from bench.runner.starts import BARE, PRINT, Listener, command, full, job
from bench.runner.through import configuration, until_ended
from msgspec import Struct

from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.contract import Limits

_SUBMITS = 32
"""Requests under way at a time."""

_SPIN = """
import time
began = time.perf_counter()
total = 0
for turn in range({turns}):
    total += turn * turn
print(time.perf_counter() - began)
"""
_SPIN_TURNS = 8_000_000


class Throughput(Struct, frozen=True):
    """`per_second` executions from the first submit to the last end; `bare` the same with bare interpreters."""

    concurrency: int
    count: int
    per_second: float
    submits_per_second: float
    bare: float


class Refilling(Struct, frozen=True):
    """Seconds that a script of one busy thread took: alone, beside a burst of bare starts, and of pooled ones."""

    alone: float
    beside_bare: float
    beside_pool: float
    starts: int


class Memory(Struct, frozen=True):
    """PSS in kB. `sandbox` is one that waits, all its processes; `pandas` one whose script has imported it."""

    runner: int
    processes: int
    sandbox: int
    pandas: int


async def throughput(gate: Sequence[str], work: Path, concurrency: int, count: int) -> Throughput:
    """`count` executions of print(1), all submitted before the first is waited for."""
    config = configuration(work / f"throughput-{concurrency}", concurrency=concurrency)
    async with raw_client((*gate, "runner", "-c", str(config))) as client:
        await client.call("executeCode", {"script": PRINT})
        places = asyncio.Semaphore(_SUBMITS)

        async def submit() -> str:
            async with places:
                return str((await client.call("asyncExecuteCode", {"script": PRINT}))["execution_uuid"])

        async def wait(uuid: str) -> None:
            async with places:
                await until_ended(client, uuid)

        began = time.perf_counter()
        uuids = await asyncio.gather(*(submit() for _ in range(count)))
        submitted = time.perf_counter()
        await asyncio.gather(*map(wait, uuids))
        ended = time.perf_counter()
    shutil.rmtree(config.parent)
    bare = await _bare(concurrency, max(count // 5, 2))
    return Throughput(
        concurrency=concurrency,
        count=count,
        per_second=count / (ended - began),
        submits_per_second=count / (submitted - began),
        bare=bare,
    )


async def _bare(concurrency: int, count: int) -> float:
    """Starts a second of bare interpreters, as many at a time."""
    places = asyncio.Semaphore(concurrency)

    async def one() -> None:
        async with places:
            process = await asyncio.create_subprocess_exec(*BARE, stdout=asyncio.subprocess.DEVNULL)
            await process.wait()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return count / (time.perf_counter() - began)


async def refilling(rounds: int, starts: int) -> Refilling:
    """A busy script, in turn alone, beside bare starts one after the other, and beside pooled ones."""
    backend = BwrapBackend(limits=Limits(), pool=2)
    await backend.open()
    try:
        found: tuple[list[float], list[float], list[float]] = ([], [], [])
        for _ in range(rounds):
            for times, beside in zip(found, ("", "bare", "pool"), strict=True):
                await full(backend)
                times.append(await _spin(backend, beside, starts))
        await full(backend)
    finally:
        await backend.close()
    alone, beside_bare, beside_pool = (median(times) for times in found)
    return Refilling(alone=alone, beside_bare=beside_bare, beside_pool=beside_pool, starts=starts)


async def _spin(backend: BwrapBackend, beside: str, starts: int) -> float:
    listener = Listener()
    running = asyncio.create_task(backend.run(job(_SPIN.format(turns=_SPIN_TURNS)), listener))
    done = 0
    while beside and done < starts and not running.done():
        if beside == "bare":
            await asyncio.to_thread(command, *BARE)
        else:
            await backend.run(job(PRINT), Listener())
        done += 1
    ending = await running
    if ending.state != "completed":
        raise RuntimeError(f"{ending.state}: {ending.error}")
    return float(listener.wrote)


async def memory(gate: Sequence[str], work: Path, *, pandas: bool) -> Memory:
    """A runner that waits with two sandboxes; then one script that has imported pandas."""
    config = configuration(work / "memory", packages={"profile": "data" if pandas else "none"})
    async with raw_client((*gate, "runner", "-c", str(config))) as client:
        await client.call("executeCode", {"script": PRINT})
        before: list[int] = []
        while len(before) != 2:
            await asyncio.sleep(0.2)
            before = list(_sandboxes(client.pid))
        own = [pid for pid in _tree(client.pid) if not any(pid in set(_tree(one)) for one in before)]
        runner, sandbox = sum(map(_pss, own)), sum(map(_pss_of_tree, before)) // len(before)
        with_pandas = 0
        if pandas:
            script = "import pandas, time\nreport_progress(0.5)\ntime.sleep(3600)"
            told = await client.call("asyncExecuteCode", {"script": script})
            view: dict[str, object] = {}
            while view.get("progress") is None and view.get("status") in (None, "pending", "running"):
                wanted = {"execution_uuid": told["execution_uuid"], "wait_seconds": 1}
                view = await client.call("checkCodeExecStatus", wanted)
            with_pandas = max(map(_pss_of_tree, _sandboxes(client.pid)))
            await client.call("cancelCodeExecution", {"execution_uuid": told["execution_uuid"]})
    return Memory(runner=runner, processes=len(own), sandbox=sandbox, pandas=with_pandas)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        pass
    return found


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _sandboxes(pid: int) -> Iterator[int]:
    """The outermost bubblewrap processes below a process."""
    for one in _children(pid):
        if _name(one) == "bwrap":
            yield one
        else:
            yield from _sandboxes(one)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _pss_of_tree(pid: int) -> int:
    return sum(map(_pss, _tree(pid)))
