"""The runner over stdio: one conversation, with whoever started this process. It ends at the end of the input."""

import asyncio
import os
from typing import Any, cast

from mcp.server.stdio import stdio_server

from callgate.runner.jobs.contract import Engine
from callgate.runner.server.endings import ending_signals
from callgate.runner.server.log import log_to_stderr
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.owner import stdio_caller
from callgate.runner.server.protocol import mcp_server
from callgate.runner.server.standard_input import standard_input
from callgate.runner.server.under_way import UnderWay


async def serve_stdio(engine: Engine, options: ServerOptions, *, stop: asyncio.Event | None = None) -> None:
    """Serve until the input ends, or `stop` is set (None: SIGTERM or SIGINT). Raises UsageError.

    Executions that were begun with `asyncExecuteCode` go on; what becomes of them is the engine's business.
    """
    log_to_stderr()
    caller = stdio_caller(os.environ)
    under_way = UnderWay()
    server = mcp_server(engine, lambda _context: caller, options, under_way)
    async with ending_signals(stop) as told, standard_input() as lines:
        async with stdio_server(stdin=cast(Any, lines)) as (read, write):
            initialization = server.create_initialization_options()
            conversation = asyncio.ensure_future(server.run(read, write, initialization))
            ended = asyncio.ensure_future(told.wait())
            await asyncio.wait((conversation, ended), return_when=asyncio.FIRST_COMPLETED)
            if not conversation.done():
                await under_way.end(options.drain)
                conversation.cancel()
            ended.cancel()
            await asyncio.wait((conversation, ended))
            lines.end()
        if not conversation.cancelled():
            conversation.result()
