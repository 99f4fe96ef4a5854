"""One script behind the weaker walls: as in the full sandbox, and watched meanwhile."""

import asyncio
import contextlib

from msgspec.structs import replace

from callgate.runner.execution import Ending
from callgate.runner.sandbox.bwrap.run import Run
from callgate.runner.sandbox.bwrap.sandbox import Sandbox
from callgate.runner.sandbox.contract import Host, Job, Stream
from callgate.runner.sandbox.weak.watch import Watch


class WatchedRun(Run):
    """A `Run` that `watch` may end. The guest has had the folders of its packages from its start."""

    def __init__(self, sandbox: Sandbox, job: Job, host: Host, watch: Watch) -> None:
        super().__init__(sandbox, replace(job, packages=()), host)
        self._watch = watch
        self._received = 0

    async def ending(self) -> Ending:
        watching = asyncio.create_task(self._watch.run(lambda: self._received, self._end))
        try:
            return await super().ending()
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    def _wrote(self, stream: Stream, data: bytes) -> None:
        self._received += len(data)
        super()._wrote(stream, data)

    def _reply(self, data: bytes) -> None:
        self._received += len(data)
        super()._reply(data)
