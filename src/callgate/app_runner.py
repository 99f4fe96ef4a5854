"""Puts `callgate runner`, `callgate runner worker` and `callgate runner check` together."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import uvloop
from msgspec import Struct

import callgate
from callgate.auth.authenticator import Authenticator
from callgate.clock import SystemClock
from callgate.config.loaded import Loaded
from callgate.config.reload import one_line
from callgate.config.runner_model import RunnerConfig
from callgate.config.secrets import read_secret
from callgate.errors import UsageError
from callgate.runner.bridge.gated import GatedBridge
from callgate.runner.jobs.accepting import Accepting
from callgate.runner.jobs.contract import Engine
from callgate.runner.jobs.engine import LiveEngine
from callgate.runner.jobs.local_queue import LocalQueue
from callgate.runner.jobs.notices import Notices
from callgate.runner.jobs.parts import Parts, Queue
from callgate.runner.jobs.when_ready import EngineWhenReady
from callgate.runner.jobs.worker import Worker
from callgate.runner.operator_secrets import OperatorSecrets
from callgate.runner.options import RunnerOptions
from callgate.runner.package_folders import PackageFolders
from callgate.runner.packages.store import PackageStore
from callgate.runner.sandbox.contract import Backend, WallReport
from callgate.runner.server.log import log_to_stderr
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.over_http import serve_http
from callgate.runner.server.over_stdio import serve_stdio
from callgate.runner_parts import (
    backend_of,
    budgets_of,
    limits_of,
    listen_at,
    open_store,
    read_configuration,
    surroundings,
    warnings_of,
    worker_options,
)
from callgate.telemetry.logs import Log
from callgate.transports.spawner import Spawner

_LATE_ERRORS = 10.0
"""Seconds for which the parts may still fail to open after the input has ended."""

RUNNING_VARIABLE = "CALLGATE_RUNNER"
"""Set where a runner starts the servers of its scripts."""


class Check(Struct, frozen=True):
    """What `callgate runner check` found."""

    backend: str
    tier: str
    walls: Sequence[WallReport]
    warnings: tuple[str, ...] = ()


def serve(options: RunnerOptions, spawner: Spawner) -> int:
    """Serve until told to end, or until stdin ends. Raises CallgateError."""
    _refuse_nesting()
    loaded, runner = read_configuration(options)
    if options.http is not None:
        # What cannot be listened on is known before anything is opened.
        listen_at(loaded.config.listen, options.http)
    return uvloop.run(
        _Runner(options, loaded, runner, spawner, several_owners=options.http is not None).serve()
    )


def work(options: RunnerOptions, spawner: Spawner) -> int:
    """Run executions until told to end. Raises CallgateError."""
    _refuse_nesting()
    loaded, runner = read_configuration(options)
    if read_secret(runner.queue).startswith("memory:"):
        raise UsageError(
            "USE002",
            "a worker needs a queue that it shares with runners",
            "give `--queue redis://HOST:PORT/DB`",
        )
    return uvloop.run(_Runner(options, loaded, runner, spawner, several_owners=True).work())


def check(config: str | None) -> Check:
    """Try the walls. Raises SandboxError: one is missing."""
    _, runner = read_configuration(RunnerOptions(config=config))

    warnings: list[str] = []

    async def run() -> Check:
        backend = backend_of(runner, (), lambda _level, text: warnings.append(text))
        try:
            walls = await backend.open()
        finally:
            await backend.close()
        return Check(backend.name, backend.tier, walls, tuple(warnings))

    return uvloop.run(run())


def _refuse_nesting() -> None:
    if os.environ.get(RUNNING_VARIABLE):
        raise UsageError(
            "RUN056",
            "this runner was started by another runner, as a server for its scripts",
            "list the servers that scripts may call as `runner.servers`",
        )


class _Runner:
    """Everything that one process runs executions with, or accepts them."""

    def __init__(
        self,
        options: RunnerOptions,
        loaded: Loaded,
        runner: RunnerConfig,
        spawner: Spawner,
        *,
        several_owners: bool,
    ) -> None:
        self._several_owners = several_owners
        self._options = options
        self._loaded = loaded
        self._runner = runner
        self._spawner = spawner
        self._clock = SystemClock()
        self._notices = Notices()
        self._told = asyncio.Event()
        self._worker: Worker | None = None
        self._ending_since: float | None = None
        self._backend: Backend | None = None
        self._backend_open = asyncio.Event()
        self._ready: asyncio.Future[Engine]

    async def serve(self) -> int:
        """A client is answered at once; its executions wait until every part is open and tested."""
        ready = self._ready = asyncio.get_running_loop().create_future()
        self._heed_signals()
        async with self._logging() as log, AsyncExitStack() as opened:
            opening = asyncio.create_task(self._open(opened, log))
            serving = asyncio.create_task(self._answer(EngineWhenReady(ready), log))
            opened.push_async_callback(_ended, serving)
            # What cannot be opened ends the process with its own error, whoever waits.
            await asyncio.wait({opening, serving}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                if serving.exception() is None:
                    await self._opened_still(opening)
                await _ended(opening)
                serving.result()
                return 0
            ready.set_result(opening.result())
            await serving
            self._ending()
            log("info", "ending: executions under way have some seconds to end; what is left goes on later")
        return 0

    async def _opened_still(self, opening: "asyncio.Task[Engine]") -> None:
        """An input that ended at once must not hide why nothing could have been executed. Raises CallgateError."""
        told = asyncio.create_task(self._told.wait())
        await asyncio.wait({opening, told}, timeout=_LATE_ERRORS, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if opening.done():
            opening.result()

    async def _open(self, opened: AsyncExitStack, log: "_Told") -> Engine:
        engine, backend = await self._engine(opened, log)
        log("banner", self._banner(backend))
        return engine

    async def _answer(self, engine: Engine, log: "_Told") -> None:
        names = tuple(server.name for server in self._loaded.config.servers if self._is_used(server.name))
        backend, tier = await self._where()
        options = ServerOptions(
            servers=names,
            network=self._runner.network,
            trusted_gates=self._runner.trusted_gates,
            drain=self._runner.drain,
            backend=backend,
            tier=tier,
        )
        if self._options.http is None:
            await serve_stdio(engine, options, stop=self._told)
        else:
            await self._serve_http(engine, options, self._options.http, log)

    async def _where(self) -> tuple[str, str]:
        """The backend and the tier that agents are told: what was chosen, where there was a choice."""
        if self._runner.accept_tier == "weak" and self._options.worker:
            await self._backend_open.wait()
        if self._backend is not None:
            return self._backend.name, self._backend.tier
        return self._runner.backend, self._runner.accept_tier

    async def work(self) -> int:
        log_to_stderr()
        self._heed_signals()
        async with AsyncExitStack() as open_parts, self._logging() as log:
            _, backend = await self._engine(open_parts, log)
            log("banner", self._banner(backend))
            await self._told.wait()
            log(
                "info",
                "ending: executions under way have some seconds to end; others go on with what is left",
            )
        return 0

    async def _engine(self, opened: AsyncExitStack, log: "_Told") -> tuple[LiveEngine, Backend | None]:
        """Open everything, in the order in which it is needed; `opened` closes it in the other."""
        runner, config = self._runner, self._loaded.config
        secrets = OperatorSecrets(config, runner, log)
        journal = open_store(runner, config.path)
        opened.push_async_callback(journal.close)
        await journal.open()
        bridge = GatedBridge(
            self._loaded,
            spawner=self._spawner,
            servers=runner.servers,
            clock=self._clock,
            log=log.from_any_thread,
        )
        opened.push_async_callback(bridge.close)
        await bridge.open()
        store = PackageStore(runner.packages, python=runner.python)
        opened.callback(store.close)
        profile = (
            await store.profile() if runner.backend == "bwrap" and runner.packages.profile == "data" else None
        )
        folders = PackageFolders(store, profile)
        importable = frozenset() if profile is None else store.modules(profile)
        backend = worker = None
        if self._options.worker:
            backend = backend_of(runner, folders.base, log)
            opened.push_async_callback(backend.close)
            await backend.open()
            self._backend = backend
            self._backend_open.set()
            working = worker_options(runner, several_owners=self._several_owners)
            parts = Parts(
                journal=journal,
                backend=backend,
                bridge=bridge,
                packages=folders,
                secrets=secrets,
                grants=budgets_of(self._loaded.runner_policy),
                options=working,
                log=log,
            )
            worker = self._worker = Worker(parts, self._notices)
        queue, local = await self._queues(opened, worker)
        if worker is not None:
            opened.push_async_callback(self._stop, worker, [queue] if local is None else [queue, local])
            for one in filter(None, (queue, local)):
                one.start_worker(runner.concurrency, worker.name)
            worker.start(queue.put)
        accepting = Accepting(surroundings(runner, importable))
        engine = LiveEngine(journal, queue, local, bridge, self._notices, worker, accepting, log)
        return engine, backend

    async def _queues(self, opened: AsyncExitStack, worker: Worker | None) -> tuple[Queue, Queue | None]:
        """The queue, and one for this process alone where that is another."""
        url = read_secret(self._runner.queue)
        execute = _nothing if worker is None else worker.execute
        if url.startswith("memory:"):
            return LocalQueue(execute), None
        from callgate.runner.jobs.shared_queue import SharedQueue

        queue = await opened.enter_async_context(SharedQueue(url, execute, lease=self._runner.lease))
        return queue, None if worker is None else LocalQueue(execute)

    async def _stop(self, worker: Worker, queues: Sequence[Queue]) -> None:
        worker.take_no_more()
        spent = asyncio.get_running_loop().time() - self._ending()
        # A queue waits for all that it brought, however long that takes.
        stopping = [asyncio.create_task(queue.stop_worker()) for queue in queues]
        await worker.stop(max(self._runner.drain - spent, 0.0))
        await asyncio.gather(*stopping)

    def _heed_signals(self) -> None:
        """For as long as the process lives: a client that has gone may ask again while executions still end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        if self._ending_since is not None and self._worker is not None:
            self._worker.hurry()
        self._ending()
        self._told.set()

    def _ending(self) -> float:
        """When the end began, by the loop's clock: now, if it has not yet."""
        if self._ending_since is None:
            self._ending_since = asyncio.get_running_loop().time()
        return self._ending_since

    async def _serve_http(self, engine: Engine, options: ServerOptions, http: str, log: "_Told") -> None:
        auth = self._loaded.config.auth
        authenticator = Authenticator(auth, clock=self._clock, notify=log.noticed)
        await serve_http(
            engine,
            listen_at(self._loaded.config.listen, http),
            authenticator if auth is not None else None,
            options,
            auth=auth,
            stop=self._told,
            listening=partial(self._listening, log),
        )

    def _listening(self, log: "_Told", url: str) -> None:
        """Clients are answered from now on; people are told when their executions can run, too."""

        def told(ready: "asyncio.Future[Engine]") -> None:
            if not ready.cancelled():
                log("notice", f"listening on {url}")

        self._ready.add_done_callback(told)

    def _is_used(self, server: str) -> bool:
        return self._runner.servers is None or server in self._runner.servers

    def _banner(self, backend: Backend | None) -> str:
        limits = limits_of(self._runner)
        runs = "accepts only" if backend is None else f"sandbox {backend.name} ({backend.tier})  self-test ok"
        return (
            f"callgate {callgate.__version__}  runner  {runs}  {limits.memory >> 20} MiB each"
            f"  {self._runner.concurrency} at once"
        )

    @asynccontextmanager
    async def _logging(self) -> AsyncIterator["_Told"]:
        log = Log(self._options.log_level, self._options.log_format, self._clock)
        try:
            for finding in warnings_of(self._loaded, self._is_used):
                log("warning", one_line(finding))
            yield _Told(log)
        finally:
            log.close()


class _Told:
    """The log as the parts call it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()

    def __call__(self, level: str, text: str) -> None:
        self._log(level, text)

    def from_any_thread(self, level: str, text: str) -> None:
        self._loop.call_soon_threadsafe(self._log, level, text)

    def noticed(self, code: str, text: str) -> None:
        self._log("warning", f"[{code}] {text}")


async def _ended(task: "asyncio.Task[Any]") -> None:
    """End the task, and let what it raised be raised by whoever waits for it."""
    task.cancel()
    await asyncio.wait({task})


async def _nothing(_uuid: str) -> None:
    """Takes up nothing: this process only accepts."""
