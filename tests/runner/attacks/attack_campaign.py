"""Run the whole list once in one backend, and print what came of it as JSON: a name, and what was seen.

    python tests/runner/attacks/attack_campaign.py bwrap|monty FOLDER

FOLDER is empty and belongs to whoever runs this. Judges nothing: `test_attack_list` does.
"""

import asyncio
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from attack import LIMITS, PRELUDE, Attack
from attack_list import ATTACKS
from attack_world import World, children, forget_peak, peak_memory, world
from msgspec.structs import replace

from callgate.runner.answer import Answer, Failure
from callgate.runner.execution import Ending
from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.contract import Backend, Function, Job, Packages, Stream
from callgate.runner.sandbox.guest.seccomp import numbers
from callgate.runner.sandbox.monty.backend import MontyBackend

TOOLS = tuple(Function(name=f"mcp_Shop_{name}", parameters=("name",)) for name in ("find", "wait", "large"))
_SETTLING_SECONDS = 10.0
_SIBLING = """
import os
open("/work/sibling", "w").write("mine"); open("/tmp/sibling", "w").write("mine")
os.environ["SIBLING"] = "mine"
print(os.getuid(), flush=True)
mcp_Shop_wait(name=1)
alone = os.listdir("/work") == os.listdir("/tmp") == ["sibling"] and open("/work/sibling").read() == "mine"
"""


class _Host:
    """Answers `find` with its arguments, `large` with 4 MB, `wait` when `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.said = asyncio.Event()
        self.written = b""
        self.count = 0

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        if function == "mcp_Shop_large":
            return Answer(value="x" * 4_000_000)
        if function == "mcp_Shop_wait":
            await self.go.wait()
        elif function != "mcp_Shop_find":
            return Answer(failure=Failure(kind="unknown_tool", message="none", ran=False))
        return Answer(value={"arguments": arguments})

    def output(self, stream: Stream, data: bytes) -> None:  # noqa: ARG002
        self.count += len(data)
        self.written = (self.written + data)[-2000:]
        self.said.set()

    def progress(self, fraction: float | None, text: str | None) -> None:
        """Nobody looks."""


class _Campaign:
    def __init__(self, backend: Backend, place: World, monty: bool) -> None:
        self._backend = backend
        self._place = place
        self._monty = monty
        self._told: dict[str, Any] = {}
        self._packages = () if monty else (Packages(key="shared", path=str(place.packages)),)
        self._before = (children(), _descriptors())

    def job(self, script: str, attack: Attack | None = None, hostile: bool = False) -> Job:
        outputs = dict(attack.outputs) if attack is not None and hostile else {}
        if attack is not None and hostile and attack.tells:
            outputs["said"] = "dict"
        return Job(
            uuid="attack",
            attempt=1,
            script=script,
            limits=replace(LIMITS, **attack.limits) if attack is not None and hostile else LIMITS,
            input_vars={"world": self._told},
            output_vars=outputs,
            functions=TOOLS,
            packages=self._packages,
        )

    async def run(self, job: Job) -> dict[str, Any]:
        """What one script came to, and what it left on the host."""
        refused = self._backend.refuses(job)
        if refused is not None:
            return {"ends": "refused", "message": refused, "outside": []}
        host = _Host()
        forget_peak()
        before, began = peak_memory(), time.monotonic()
        ending = await self._backend.run(job, host)
        seen = _seen(ending)
        seen["seconds"] = round(time.monotonic() - began, 3)
        seen["grown"] = peak_memory() - before
        seen["written"] = host.count
        seen["outside"] = self._place.harmed()
        if not await self._settled():
            seen["outside"].append(f"left behind: {children()} {_descriptors()}, were {self._before}")
        return seen

    async def _settled(self) -> bool:
        """Whether nothing is left of a run, soon after it."""
        until = time.monotonic() + _SETTLING_SECONDS
        while (children(), _descriptors()) != self._before and time.monotonic() < until:
            await asyncio.sleep(0.005)
        return (children(), _descriptors()) == self._before

    async def sibling(self) -> tuple["asyncio.Task[Ending]", _Host]:
        """A script of somebody else, which waits until the end."""
        host = _Host()
        job = Job(
            uuid="sibling",
            attempt=1,
            script=_SIBLING,
            limits=replace(LIMITS, wall_seconds=None),
            output_vars={"alone": "bool"},
            functions=TOOLS,
        )
        below = set(children())
        running = asyncio.create_task(self._backend.run(job, host))
        await host.said.wait()
        self._place.sibling_uid = int(host.written)
        self._place.sibling_pid = max(set(children()) - below)
        return running, host

    async def all(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        running, host = (None, None) if self._monty else await self.sibling()
        self._told = self._place.told(numbers(platform.machine()))
        self._before = (children(), _descriptors())
        for name, attack in ATTACKS.items():
            if self._monty:
                if attack.monty is not None:
                    monty = attack.monty
                    alike = replace(attack, script=monty.script, outputs=monty.outputs)
                    found[name] = {
                        "hostile": await self.run(self.job(monty.script, alike, hostile=True)),
                        "safe": await self.run(self.job(monty.safe)),
                    }
            else:
                found[name] = {
                    "hostile": await self.run(self.job(PRELUDE + attack.script, attack, hostile=True)),
                    "safe": await self.run(self.job(attack.safe)),
                }
        if running is not None and host is not None:
            host.go.set()
            found["sibling"] = _seen(await running)
        return found


def _seen(ending: Ending) -> dict[str, Any]:
    error = ending.error
    return {
        "ends": ending.state if ending.cause is None else f"{ending.state}: {ending.cause}",
        "results": ending.results,
        "type": error.type if error else None,
        "message": error.message if error else None,
        "lines": [line.line for line in error.traceback] if error else [],
    }


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


_MARKING = """
import builtins, json, os, sys
assert os.listdir("/work") == os.listdir("/tmp") == [] and not hasattr(builtins, "marked")
assert secrets["TOKEN"] == "t0ken"
open("/work/left", "w").write("x"); open("/tmp/left", "w").write("x")
builtins.marked = sys.marked = os.environ["MARKED"] = "x"
json.dumps = None
"""
_LOOKING = """
import builtins, gc, json, os, sys
found = os.listdir("/work") + os.listdir("/tmp") + [name for name in os.environ if name == "MARKED"]
if hasattr(builtins, "marked") or hasattr(sys, "marked") or json.dumps is None: found.append("patched")
if list(secrets): found.append("secrets")
for each in gc.get_objects():
    if type(each) is dict and any(type(value) is str and value == "t0" + "ken" for value in list(each.values())):
        found.append("secret")
"""


async def _one_after_another() -> list[dict[str, Any]]:
    """Scripts that follow each other through a pool: every second one looks for what the one before it left."""
    host, found = _Host(), []
    backend = BwrapBackend(limits=LIMITS, pool=2)
    await backend.open()
    try:
        for number in range(6):
            marking = number % 2 == 0
            job = Job(
                uuid="pooled",
                attempt=1,
                script=_MARKING if marking else _LOOKING,
                limits=LIMITS,
                output_vars={} if marking else {"found": "list"},
                secrets={"TOKEN": "t0ken"} if marking else {},
            )
            found.append(_seen(await backend.run(job, host)))
    finally:
        await backend.close()
    return found


async def _main(which: str, folder: str) -> None:
    monty = which == "monty"
    backend: Backend = MontyBackend(pool=0) if monty else BwrapBackend(limits=LIMITS, pool=0)
    os.environ["CALLGATE_ATTACKED"] = "a secret of the runner's environment"
    await backend.open()
    try:
        with world(Path(folder)) as place:
            found = await _Campaign(backend, place, monty).all()
    finally:
        await backend.close()
    if not monty:
        found["one after another"] = {"runs": await _one_after_another()}
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
