"""A server of the official SDK over Streamable HTTP in both eras: `modern_server`, and what needs a way back.

    python -m tests.support.http_server --port 0 [--json] [--stateless] [--resumable]

Prints its port on stdout as soon as it can be reached, and serves at /mcp. `--resumable` keeps events, so that a
stream that broke can be taken up again; `--log FILE` writes each request's method, target and headers as a JSON line.
"""

import argparse
import json
import logging
import socket
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.support.modern_server import server


class Events(EventStore):
    """Every event of every stream, in the order in which they came."""

    def __init__(self) -> None:
        self._events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        place = int(last_event_id)
        if not 0 < place <= len(self._events):
            return None
        stream_id = self._events[place - 1][0]
        for number, (stream, message) in enumerate(self._events[place:], place + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


class Answer(BaseModel):
    """What the person is asked for."""

    name: str


async def opinion() -> Sample:
    """The question put to the model."""
    content = TextContent(type="text", text="What do you think?")
    return Sample([SamplingMessage(role="user", content=content)], max_tokens=20)


async def folders() -> ListRoots:
    """The question put to the client."""
    return ListRoots()


async def name_of() -> Elicit[Answer]:
    """The question put to the person."""
    return Elicit("Your name?", Answer)


@server.tool()
async def think(answer: Annotated[CreateMessageResult, Resolve(opinion)]) -> str:
    """Asks the model of the client."""
    return f"thought: {answer.content.text if isinstance(answer.content, TextContent) else ''}"


@server.tool()
async def look(found: Annotated[ListRootsResult, Resolve(folders)]) -> str:
    """Asks the client for its folders."""
    return f"{len(found.roots)} folders"


@server.tool()
async def sign(letter: str, person: Annotated[Answer, Resolve(name_of)]) -> str:
    """Asks the person."""
    return f"{letter}, {person.name}"


@server.tool()
def query(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    limit: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Limit"})] = 10,
) -> str:
    """Two of its parameters stand in headers."""
    return f"{limit} of {region}"


@server.tool()
def echo(text: str) -> str:
    """Says what it is told."""
    return text


@server.tool()
async def interrupted(context: Context[Any], steps: int) -> str:
    """Loses its stream half-way and goes on."""
    for step in range(1, steps + 1):
        await context.report_progress(step, steps)
        if step == steps // 2:
            # What follows is kept before anybody can ask for it: the SDK loses what is said while it replays.
            await context.close_sse_stream()
    return "arrived"


class Logged:
    """An ASGI application that writes down what reaches it."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
            line = json.dumps({"method": scope["method"], "path": scope["path"], "headers": headers})
            with open(self._path, "a") as log:
                log.write(line + "\n")
        await self._app(scope, receive, send)


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="answer with JSON where the transport may")
    parser.add_argument("--stateless", action="store_true", help="no sessions in the legacy era")
    parser.add_argument("--resumable", action="store_true")
    parser.add_argument("--log")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    app: Any = server.streamable_http_app(
        json_response=options.json,
        stateless_http=options.stateless,
        event_store=Events() if options.resumable else None,
        retry_interval=20 if options.resumable else None,
        host="127.0.0.1",
    )
    if options.log:
        app = Logged(app, options.log)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(1024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
