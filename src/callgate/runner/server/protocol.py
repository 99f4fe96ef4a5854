"""The MCP server itself, before any transport: tools, their list, and tasks, on the official SDK."""

from collections.abc import Callable
from typing import Any

from mcp.server import Server
from mcp_types import CallToolRequestParams, ListToolsResult

import callgate
from callgate.runner.jobs.contract import Engine
from callgate.runner.server.calls import Calls
from callgate.runner.server.execution_tasks import ExecutionTasks
from callgate.runner.server.large_answers import LargeAnswers
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.owner import Caller
from callgate.runner.server.tasks import Context, TasksExtension
from callgate.runner.server.tool_list import instructions, tools
from callgate.runner.server.under_way import UnderWay


def mcp_server(
    engine: Engine,
    caller_of: Callable[[Context], Caller],
    options: ServerOptions,
    under_way: UnderWay,
) -> Server[Any]:
    """A server over `engine`, for both eras. `caller_of` says whose each request is."""
    listed = tools(options)

    async def list_tools(_context: Context, _params: Any) -> ListToolsResult:
        return ListToolsResult(tools=list(listed.values()))

    server: Server[Any] = Server(
        "callgate-runner",
        title="Callgate runner",
        version=callgate.__version__,
        instructions=instructions(options),
        get_tool_input_schema=lambda name: listed[name].input_schema if name in listed else None,
        on_list_tools=list_tools,
    )
    # A call may also be answered with a task, which the constructor's types do not foresee.
    large = LargeAnswers()
    calls = Calls(engine, caller_of, options, under_way, large)
    server.add_request_handler("tools/call", CallToolRequestParams, calls.call)
    TasksExtension(ExecutionTasks(engine, caller_of, large)).install(server)
    return server
