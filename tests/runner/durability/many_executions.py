"""Many executions, many at a time, through one real runner: do all end right, and does anything grow?

    python tests/runner/durability/many_executions.py --executions 1000 --concurrency 50

Prints one JSON object; exit status 1 if an execution ended otherwise than it must, or anything is left behind.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))

import process_tree
from durable_plans import OUTPUT_VARS, Plan, Step
from durable_runner import Home, Runner

_SETTLE_SECONDS = 1.0


def plan_of(number: int) -> Plan:
    """One call that takes effect and one that reads."""
    return Plan(f"m{number}", (Step("append", f"m{number}.0"), Step("read", f"key-{number}")))


class Taken:
    """What a runner holds at a moment. Memory in bytes, of the runner's own process."""

    def __init__(self, pid: int) -> None:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        self.memory = int(status["VmRSS"].split()[0]) << 10
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.threads = int(status["Threads"])
        self.processes = len(process_tree.below(pid))


async def batch(runner: Runner, numbers: range, home: Home) -> Counter[str]:
    """Submit all at once, and wait for all; how they ended."""
    plans = [plan_of(number) for number in numbers]
    uuids = [await runner.submit(plan.script(), name=plan.name, output_vars=OUTPUT_VARS) for plan in plans]
    ends: Counter[str] = Counter()
    told = await asyncio.gather(*(runner.ended(uuid) for uuid in uuids))
    words = dict(home.effects())
    for plan, one in zip(plans, told, strict=True):
        right = one["state"] == "completed" and one["results"] == plan.expected(words)
        ends["right" if right else f"{one['state']} {one.get('cause')} {one.get('error')}"] += 1
    return ends


async def measure(home: Home, executions: int) -> dict[str, Any]:
    """A fifth warms up; the rest must not make anything grow."""
    runner = Runner(home)
    await runner.start()
    pid = runner.process.pid
    warm = executions // 5
    ends = await batch(runner, range(warm), home)
    await asyncio.sleep(_SETTLE_SECONDS)
    before = Taken(pid)
    began = time.monotonic()
    half = (warm + executions) // 2
    ends += await batch(runner, range(warm, half), home)
    between = Taken(pid)
    ends += await batch(runner, range(half, executions), home)
    seconds = time.monotonic() - began
    await asyncio.sleep(_SETTLE_SECONDS)
    zombies = await asyncio.to_thread(process_tree.zombies, pid)
    after = Taken(pid)
    status = await runner.hang_up()
    await runner.closed()
    tokens = [token for token, _ in home.effects()]
    return {
        "ends": dict(ends),
        "executions_per_second": round((executions - warm) / seconds, 1),
        "seconds": round(seconds, 1),
        "memory": [before.memory, between.memory, after.memory],
        "bytes_per_execution": round((after.memory - before.memory) / (executions - warm)),
        "descriptors": [before.descriptors, after.descriptors],
        "threads": [before.threads, after.threads],
        "processes": [before.processes, after.processes],
        "zombies": [str(zombie) for zombie in zombies],
        "effects": [len(tokens), len(set(tokens))],
        "exit_status": status,
        "left": os.listdir(home.temporary),
    }


def many(folder: Path, executions: int, concurrency: int) -> dict[str, Any]:
    """Run them in a home of their own; what was found, and what outlived the runner."""
    process_tree.take_in_orphans()
    home = Home(folder, concurrency=concurrency, lease="15s", limits={"memory": "128MiB"})
    found = asyncio.run(measure(home, executions))
    mounts = Path("/proc/self/mountinfo").read_text()
    return {**found, "outlived": process_tree.outlived(), "mounts": mounts.count(str(folder))}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=50)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="callgate-many-"))
    try:
        found = many(folder, options.executions, options.concurrency)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
    print(json.dumps(found, indent=2))
    wrong = found["ends"].get("right") != options.executions or found["outlived"] or found["left"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
