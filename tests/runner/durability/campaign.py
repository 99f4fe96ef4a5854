"""A campaign of kills against a real runner: what it acknowledged must come to a true end, whoever dies and when.

    python tests/runner/durability/campaign.py --kills 500 --seed 7 [--topology alone|shared] [--keep]

Kills the runner, its workers, single sandboxes and the server of the scripts' tools, at any moment and at chosen ones,
while clients keep executions coming; starts again what it killed; then holds journal, effects and processes against
each other. Prints one JSON object; exit status 1 if anything is wrong. `--keep` leaves the folder for a look.

`alone`: one runner with its own queue. `shared`: a runner that only accepts, two workers, a Redis between them.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))

import durable_truth
import process_tree
from durable_plans import OUTPUT_VARS, Plan, any_plan
from durable_runner import Gone, Home, Program, Runner, Worker
from tests.support.free_port import free_port
from tests.support.redis_server import RedisServer

CLIENTS = 6
_MOMENT_SECONDS = 5.0
_VICTIMS = {
    "alone": {"runner": 0.25, "sandbox": 0.45, "server": 0.3},
    "shared": {"runner": 0.1, "worker": 0.3, "sandbox": 0.4, "server": 0.2},
}
_MOMENTS = {"any": 4, "begin": 1, "effect": 3, "answer": 3, "preparing": 1, "finish": 2}


class Campaign:
    """One campaign. `run` returns what was found."""

    def __init__(self, home: Home, topology: str, kills: int, seed: int) -> None:
        self.home = home
        self.kills = kills
        self.rng = random.Random(seed)
        self.topology = topology
        self.plans: dict[str, Plan] = {}
        self.acknowledged: dict[str, str] = {}
        self.killed: Counter[str] = Counter()
        self.missed = 0
        self._runner = Runner(home, *(["--no-worker"] if topology == "shared" else []))
        self._workers = [Worker(home) for _ in range(2 if topology == "shared" else 0)]
        self._up = asyncio.Event()
        self._submitting = True

    async def run(self) -> dict[str, Any]:
        began = time.monotonic()
        await asyncio.gather(self._start(self._runner), *map(self._start, self._workers))
        clients = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        for _ in range(self.kills):
            await self._kill_something()
        self._submitting = False
        killing = time.monotonic() - began
        wrong = []
        try:
            async with asyncio.timeout(120):
                await asyncio.gather(*clients)
                while durable_truth.unended(self.home):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            wrong.append(f"never ended: {durable_truth.unended(self.home)}")
            for client in clients:
                client.cancel()
        wrong += await self._left_behind()
        excuses = durable_truth.Excuses(self.killed["sandbox"], self.killed["server"])
        found = await durable_truth.look(self.home, self.plans, self.acknowledged, excuses)
        return {
            "wrong": wrong + found.wrong,
            "killed": dict(self.killed),
            "moments_missed": self.missed,
            "acknowledged": len(self.acknowledged),
            "states": found.states,
            "attempts": found.attempts,
            "effects": found.effects,
            "seconds": [round(killing, 1), round(time.monotonic() - began, 1)],
        }

    async def _start(self, program: Program) -> None:
        while True:
            with contextlib.suppress(Gone):
                await program.start()
                if program is self._runner:
                    self._up.set()
                return

    async def _client(self, number: int) -> None:
        """Keep one execution under way, and learn of its end."""
        turn = 0
        while self._submitting:
            turn += 1
            name = f"p{number}-{turn}"
            plan = self.plans[name] = any_plan(name, random.Random(self.rng.getrandbits(64)))
            await self._up.wait()
            try:
                uuid = await self._runner.submit(plan.script(), name=name, output_vars=OUTPUT_VARS)
            except Gone:
                continue
            self.acknowledged[uuid] = name
            while True:
                await self._up.wait()
                try:
                    await self._runner.ended(uuid)
                except Gone:
                    await asyncio.sleep(0.01)
                else:
                    break

    async def _kill_something(self) -> None:
        weights = _VICTIMS[self.topology]
        victim = self.rng.choices(list(weights), list(weights.values()))[0]
        moment = self.rng.choices(list(_MOMENTS), list(_MOMENTS.values()))[0]
        delay = self.rng.uniform(0, {"any": 0.5, "answer": 0.004, "finish": 0.06}.get(moment, 0.03))
        if moment != "any" and not await self._moment(moment):
            self.missed += 1
        await asyncio.sleep(delay)
        if victim in ("runner", "worker"):
            program: Program = self._runner if victim == "runner" else self.rng.choice(self._workers)
            if victim == "runner":
                self._up.clear()
            await program.kill()
            self.killed[victim] += 1
            await self._start(program)
            return
        pids = []
        for program in (self._runner, *self._workers):
            found = process_tree.sandboxes if victim == "sandbox" else process_tree.servers
            pids += [process.pid for process in found(program.process.pid) if process.state != "Z"]
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.rng.choice(pids), signal.SIGKILL)
                self.killed[victim] += 1

    async def _moment(self, moment: str) -> bool:
        """Wait until it has come. False if it does not in good time."""
        if moment == "preparing":
            return await self._came(self._preparing)
        size = self.home.effects_log.stat().st_size
        last = {plan.tokens[-1] for plan in self.plans.values() if plan.tokens}

        def came() -> bool:
            nonlocal size
            with self.home.effects_log.open("rb") as log:
                log.seek(size)
                new = log.read()
            size += len(new)
            for line in new.splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    size -= len(line)
                    continue
                noted = json.loads(line)
                if moment == "finish" and noted["at"] == "answer" and noted["token"] in last:
                    return True
                if noted["at"] == moment:
                    return True
            return False

        return await self._came(came)

    async def _came(self, came: Callable[[], bool]) -> bool:
        end = time.monotonic() + _MOMENT_SECONDS
        while not came():
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.001)
        return True

    def _preparing(self) -> bool:
        db = sqlite3.connect(f"file:{self.home.journal}?mode=ro", uri=True, timeout=5)
        with contextlib.closing(db):
            found = db.execute(
                "SELECT 1 FROM execution WHERE ended_ms IS NULL AND state = 'preparing'"
            ).fetchone()
        return found is not None

    async def _left_behind(self) -> list[str]:
        """End all; a line for everything that is left of it."""
        wrong = []
        programs: list[Program] = [self._runner, *self._workers]
        for program in programs:
            left = await asyncio.to_thread(process_tree.zombies, program.process.pid)
            wrong += [f"zombie below a running process: {zombie}" for zombie in left]
        statuses = await asyncio.gather(*(program.end() for program in programs))
        wrong += [f"exit status {status}" for status in statuses if status != 0]
        await self._runner.closed()
        return wrong


def left_in(home: Home) -> list[str]:
    """Files and mounts of processes that have ended."""
    mounts = [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home.folder) in line
    ]
    return [f"left behind: {name}" for name in os.listdir(home.temporary)] + [
        f"mounted: {line}" for line in mounts
    ]


def campaign(folder: Path, topology: str, kills: int, seed: int) -> dict[str, Any]:
    """Run one; what was found."""
    process_tree.take_in_orphans()
    redis = RedisServer(port=free_port()).start() if topology == "shared" else None
    ours = {process.pid for process in process_tree.below(os.getpid())}
    queue = "memory://" if redis is None else f"redis://127.0.0.1:{redis.port}/0"
    try:
        home = Home(folder, queue=queue)

        async def run() -> dict[str, Any]:
            return await Campaign(home, topology, kills, seed).run()

        found = asyncio.run(run())
        found["wrong"] += [f"outlived all: {left}" for left in process_tree.outlived(ours)]
        found["wrong"] += left_in(home)
    finally:
        if redis is not None:
            redis.remove()
    return {"topology": topology, "seed": seed, **found}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--topology", choices=sorted(_VICTIMS), default="alone")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="callgate-durability-"))
    try:
        found = campaign(folder, options.topology, options.kills, options.seed)
    finally:
        if options.keep:
            print(folder, file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found, indent=2))
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
