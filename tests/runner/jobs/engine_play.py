"""A whole engine in one process: real journal, real queue, real sandbox; a bridge whose one server is the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from callgate.config.runner_model import RetentionConfig
from callgate.diagnostics import Source
from callgate.policy.budgets import Budgets
from callgate.policy.model import Document
from callgate.runner.answer import Answer
from callgate.runner.bridge.contract import BeforeForward, CallCounts, Parent, ToolInfo
from callgate.runner.execution import Execution, Owner, Spec
from callgate.runner.jobs.accepting import Accepting
from callgate.runner.jobs.contract import View
from callgate.runner.jobs.engine import LiveEngine
from callgate.runner.jobs.local_queue import LocalQueue
from callgate.runner.jobs.notices import Notices
from callgate.runner.jobs.parts import Parts, Queue, WorkerOptions
from callgate.runner.jobs.worker import Worker
from callgate.runner.journal.contract import Journal
from callgate.runner.journal.open import open_journal
from callgate.runner.precheck.finding import Surroundings
from callgate.runner.redaction import Redactor
from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.contract import Limits, Packages

OWNER = Owner("somebody")
Tool = Callable[[dict[str, Any]], Awaitable[Answer]]


class OneServer:
    """A bridge whose tools are coroutines of the test; counts how often each was really called."""

    def __init__(self, tools: dict[str, Tool], repeatable: Sequence[str]) -> None:
        self._tools = tools
        self._infos = {
            f"mcp_S_{name}": ToolInfo(
                function=f"mcp_S_{name}",
                server="S",
                tool=name,
                description="",
                input_schema={},
                repeatable=name in repeatable,
            )
            for name in tools
        }
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def warm(self, servers: Sequence[str]) -> dict[str, str]:
        return {name: "there is no such server" for name in servers if name != "S"}

    async def tools(self, owner: Owner, servers: Sequence[str] | None = None) -> Sequence[ToolInfo]:
        del owner, servers
        return list(self._infos.values())

    def mentioned(self, text: str) -> Sequence[str]:
        return ["S"] if "mcp_S_" in text else []

    def known(self, function: str) -> ToolInfo | None:
        return self._infos.get(function)

    async def call(
        self,
        parent: Parent,
        function: str,
        arguments: dict[str, Any],
        before_forward: BeforeForward,
        counts: CallCounts | None = None,
    ) -> Answer:
        del parent, counts
        await before_forward(f"decision-{len(self.calls)}")
        name = self._infos[function].tool
        self.calls.append((name, arguments))
        return await self._tools[name](arguments)


class NamedSecrets:
    """Secrets that the test made up."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def read(self) -> dict[str, str]:
        return self._values

    def redactor(self) -> Redactor:
        return Redactor(self._values)


@asynccontextmanager
async def _no_packages(imports: Sequence[str]) -> AsyncIterator[Sequence[Packages]]:
    assert not imports
    yield ()


def _unheard(level: str, text: str) -> None:
    del level, text


class Play:
    """The engine, and the parts that a test looks at."""

    def __init__(
        self, engine: LiveEngine, worker: Worker, journal: Journal, server: OneServer, queue: Queue
    ) -> None:
        self.engine = engine
        self.worker = worker
        self.journal = journal
        self.server = server
        self.queue = queue

    async def run(self, script: str, **more: Any) -> Execution:
        """Run a script to its end."""
        submitted = await self.engine.submit(OWNER, Spec(script=script, **more))
        return (await self.ended(submitted.uuid)).execution

    async def ended(self, uuid: str) -> View:
        """Wait for the end of an execution."""
        view = await asyncio.wait_for(self.engine.finished(OWNER, uuid), 60)
        assert view is not None
        return view

    async def until(self, uuid: str, reached: Callable[[Execution], bool]) -> Execution:
        """Wait until an execution has come so far."""
        async with asyncio.timeout(60):
            while True:
                view = await self.engine.view(OWNER, uuid, wait_seconds=1)
                assert view is not None
                if reached(view.execution):
                    return view.execution


async def _stop(worker: Worker, queue: Queue, drain: float) -> None:
    worker.take_no_more()
    # A queue waits for all that it brought.
    await asyncio.gather(queue.stop_worker(), worker.stop(drain))


@asynccontextmanager
async def playing(
    folder: Path,
    *,
    tools: dict[str, Tool] | None = None,
    repeatable: Sequence[str] = (),
    secrets: dict[str, str] | None = None,
    granted: Sequence[str] = (),
    limits: Limits | None = None,
    lease: float = 30.0,
    drain: float = 0.0,
    max_attempts: int = 5,
    concurrency: int = 4,
    several_owners: bool = False,
    calls: int = 1_000,
    answers: int = 1 << 20,
    gather: float = 0.0,
) -> AsyncIterator[Play]:
    """An engine on the journal in `folder`, with a worker that takes up what is there."""
    bounds = limits or Limits(memory=256 << 20, disk=8 << 20, output=2_000)
    async with AsyncExitStack() as opened:
        journal = open_journal(
            f"sqlite:{folder}/journal.sqlite",
            state_dir=str(folder),
            sync="normal",
            retention=RetentionConfig(),
        )
        opened.push_async_callback(journal.close)
        await journal.open()
        backend = BwrapBackend(limits=bounds, pool=1)
        opened.push_async_callback(backend.close)
        await backend.open()
        server = OneServer(tools or {}, repeatable)
        place = Source("", 1, 1)
        document = Document("native", "", "", grant_secrets=tuple((name, place) for name in granted))
        parts = Parts(
            journal=journal,
            backend=backend,
            bridge=server,
            packages=_no_packages,
            secrets=NamedSecrets(secrets or {}),
            grants=Budgets(document),
            options=WorkerOptions(
                name="worker",
                limits=bounds,
                lease=lease,
                max_attempts=max_attempts,
                concurrency=concurrency,
                several_owners=several_owners,
                calls=calls,
                answers=answers,
            ),
            log=_unheard,
        )
        notices = Notices()
        worker = Worker(parts, notices)
        queue = LocalQueue(worker.execute)
        accepting = Accepting(Surroundings(importable=frozenset({"callgate"})))
        engine = LiveEngine(
            journal, queue, None, server, notices, worker, accepting, parts.log, gather_seconds=gather
        )
        opened.push_async_callback(_stop, worker, queue, drain)
        queue.start_worker(concurrency, "worker")
        worker.start(queue.put)
        yield Play(engine, worker, journal, server, queue)
