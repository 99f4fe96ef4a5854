"""The server that the official conformance suite is run against: the official SDK, both eras over HTTP.

    python -m tests.conformance.fixture_server [--port 0 | --children SOCKET]

Prints its port on stdout as soon as it can be reached, and serves at /mcp. With `--children` it prints the path of the
socket and serves on the standard streams of whoever connects there (`fixture_child`).
"""

import argparse
import logging
import os
import signal
import socket
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from tests.conformance import fixture_pages as pages
from tests.conformance import fixture_rounds, fixture_tasks, fixture_tools
from tests.conformance.fixture_tools import Answer, Context

TOOLS = {
    entry.definition.name: entry
    for entry in (*fixture_tools.TOOLS, *fixture_rounds.TOOLS, *fixture_tasks.TOOLS)
}
RETRY_MS = 50


class Events(EventStore):
    """Every event of every stream, numbered in the order in which they came."""

    def __init__(self) -> None:
        self._events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        number = int(last_event_id)
        stream_id = self._events[number - 1][0]
        for later, (stream, message) in enumerate(self._events[number:], number + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(later)))
        return stream_id


async def list_tools(_context: Context, _params: Any) -> types.ListToolsResult:
    """`tools/list`."""
    return types.ListToolsResult(tools=[entry.definition for entry in TOOLS.values()])


async def call_tool(context: Context, params: types.CallToolRequestParams) -> Answer:
    """`tools/call`."""
    entry = TOOLS.get(params.name)
    if entry is None:
        raise MCPError(types.INVALID_PARAMS, "no such tool")
    return await entry.work(context, params)


def build() -> Server[Any]:
    """The whole server."""
    server: Server[Any] = Server(
        "conformance-fixture",
        version="1",
        get_tool_input_schema=lambda name: TOOLS[name].definition.input_schema if name in TOOLS else None,
        on_list_tools=list_tools,
        on_list_resources=pages.list_resources,
        on_list_resource_templates=pages.list_templates,
        on_read_resource=pages.read_resource,
        on_subscribe_resource=pages.accepted,
        on_unsubscribe_resource=pages.accepted,
        on_subscriptions_listen=ListenHandler(fixture_tools.bus),
        on_list_prompts=pages.list_prompts,
        on_completion=pages.complete,
    )
    # These answer with plain objects too, which the constructor's types do not foresee.
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, pages.get_prompt)
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, pages.accepted)
    fixture_tasks.install(server)
    security = RequestStateSecurity.ephemeral()
    server.middleware.append(RequestStateBoundary(security, default_audience=server.name))
    return server


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--children", metavar="SOCKET")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    if options.children:
        serve_children(options.children)
    else:
        serve_http(options.port)


def serve_children(path: str) -> None:
    """Any number of conversations on stdio, each in a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print(path, flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                _, streams, _, _ = socket.recv_fds(connection, 1, 3)
                if os.fork() == 0:
                    for number, stream in enumerate(streams):
                        os.dup2(stream, number)
                        os.close(stream)
                    listener.close()
                    anyio.run(serve_stdio)
                    os._exit(0)
            for stream in streams:
                os.close(stream)


async def serve_stdio() -> None:
    """One conversation, of either era."""
    server = build()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def serve_http(port: int) -> None:
    """Any number of conversations, of either era."""
    app = build().streamable_http_app(event_store=Events(), retry_interval=RETRY_MS, host="127.0.0.1")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    print(listener.getsockname()[1], flush=True)
    # The other parser that uvicorn knows keeps white space at the end of a header's value.
    config = uvicorn.Config(app, http="h11", log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
