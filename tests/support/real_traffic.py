"""Traffic of the official SDK's client with real servers, recorded to the byte on both sides of the gate."""

import functools
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp import Client, StdioServerParameters
from msgspec import Struct
from pydantic import FileUrl

ROOT = Path(__file__).parents[2]
NODE_BIN = ROOT / "tests" / "servers" / "node_modules" / ".bin"
VENV_BIN = Path(sys.executable).parent
WIRETAP = [sys.executable, "-I", "-S", str(ROOT / "tests" / "support" / "wiretap.py")]
PATIENCE_SECONDS = 60.0

NOTHING_FORBIDDEN = """
tools:
  never: {rules: [{action: deny}]}
  "*": {rules: [{rate_limit: 10000/minute}]}
"""

Scenario = Callable[[Client], Awaitable[None]]

RANDOM = (
    (re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:?\d\d)?"), b"<time>"),
    (re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), b"<uuid>"),
    (re.compile(rb"(Sun|Mon|Tue|Wed|Thu|Fri|Sat) [A-Z][a-z]{2} \d\d \d{4} [\d:]{8} GMT[^\"\\]*"), b"<date>"),
    (re.compile(rb"\d{1,2}:\d\d:\d\d ?[AP]M"), b"<clock>"),
    (re.compile(rb"\"listen-\d+\""), b'"listen"'),
    (re.compile(rb"\"requestState\":\"[^\"]*\""), b'"requestState":"<state>"'),
    # What a gate tells the servers that it starts, as "get-env" shows it.
    (re.compile(rb',?\\n *\\"CALLGATE_\w+\\": \\"[^"]*"'), b""),
    # "Resource 3: … created at 12:24:58 PM" in base64, as server-everything makes them up.
    (re.compile(rb"\"blob\":\"UmVzb3VyY2[^\"]*\""), b'"blob":"<clock>"'),
)


class Recording(Struct, frozen=True):
    """Lines without their newlines. Without a gate the two sides are the same."""

    agent_sent: list[bytes]
    agent_got: list[bytes]
    server_got: list[bytes]
    server_sent: list[bytes]
    gate_said: str = ""


def npm_server(name: str, *arguments: str) -> list[str]:
    """The command of one of the servers in tests/servers."""
    return [str(NODE_BIN / f"mcp-server-{name}"), *arguments]


def pypi_server(name: str, *arguments: str) -> list[str]:
    """The command of a server in the virtual environment."""
    return [str(VENV_BIN / f"mcp-server-{name}"), *arguments]


def gated(policy: Path, server: Sequence[str], *options: str) -> list[str]:
    """`server` behind a gate."""
    return [sys.executable, "-m", "callgate", "run", "-c", str(policy), *options, "--", *server]


def record(
    scenario: Scenario,
    server: Sequence[str],
    folder: Path,
    policy: str | None = None,
    *,
    mode: str = "legacy",
    **client: Any,
) -> Recording:
    """Play `scenario` against `server`: directly, or through a gate with `policy`; `folder` must be new."""
    folder.mkdir()
    outer, inner = folder / "agent", folder / "server"
    if policy is None:
        command = list(server)
    else:
        (folder / "policy.yaml").write_text(policy)
        tapped = [*WIRETAP, str(inner), *server]
        command = gated(
            folder / "policy.yaml", tapped, "--audit", str(folder / "audit.jsonl"), "--state", "memory://"
        )
    parameters = StdioServerParameters(
        command=WIRETAP[0],
        args=[*WIRETAP[1:], str(outer), *command],
        cwd=str(ROOT),
        env={"TZ": "UTC", "NO_COLOR": "1"},
    )
    with open(folder / "stderr.txt", "w") as errors:
        anyio.run(_play, scenario, parameters, errors, mode, client)
    return Recording(
        lines(f"{outer}.in"),
        lines(f"{outer}.out"),
        lines(f"{outer if policy is None else inner}.in"),
        lines(f"{outer if policy is None else inner}.out"),
        (folder / "stderr.txt").read_text(errors="replace"),
    )


async def _play(
    scenario: Scenario, parameters: StdioServerParameters, errors: Any, mode: str, client: dict[str, Any]
) -> None:
    from mcp.client.stdio import stdio_client

    with anyio.fail_after(PATIENCE_SECONDS):
        async with Client(
            stdio_client(parameters, errlog=errors), mode=mode, cache=None, **client
        ) as connected:
            await scenario(connected)


def lines(path: str) -> list[bytes]:
    """What a wiretap kept."""
    return Path(path).read_bytes().splitlines() if os.path.exists(path) else []


def normal(line: bytes) -> Any:
    """A frame without what is different every time: times and ids that a server makes up."""
    for pattern, name in RANDOM:
        line = pattern.sub(name, line)
    return json.loads(line)


def sorted_out(frames: Sequence[bytes]) -> dict[str, list[Any]]:
    """Requests, answers and notifications, each in their order: the three may overtake each other."""
    kinds: dict[str, list[Any]] = {"requests": [], "answers": [], "notifications": []}
    for frame in frames:
        message = normal(frame)
        kind = "answers" if "method" not in message else "requests" if "id" in message else "notifications"
        kinds[kind].append(message)
    return kinds


def decoded(frames: Sequence[bytes]) -> list[Any]:
    """Frames by value."""
    return [json.loads(frame) for frame in frames]


async def call_each(client: Client, calls: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Call tools one after the other; what comes back is the recording's business, an error included."""
    for tool, arguments in calls:
        await settle(functools.partial(client.call_tool, tool, arguments))


async def settle(action: Callable[[], Awaitable[Any]]) -> Any:
    """Await `action`; an MCP error is as good an answer as any."""
    from mcp import MCPError

    try:
        return await action()
    except MCPError as error:
        return error


async def sample(_context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    """A model that always says the same."""
    return types.CreateMessageResult(
        role="assistant",
        content=types.TextContent(type="text", text=f"n={len(params.messages)}"),
        model="test",
    )


async def elicit(_context: Any, _params: types.ElicitRequestParams) -> types.ElicitResult:
    """A person who accepts with a name."""
    return types.ElicitResult(action="accept", content={"name": "Ann", "check": True})


def roots(*folders: Path) -> Callable[[Any], Awaitable[types.ListRootsResult]]:
    """A client that offers these folders."""

    async def offer(_context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri=FileUrl(folder.as_uri())) for folder in folders])

    return offer


async def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something has arrived."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while not condition():
            await anyio.sleep(0.01)


async def list_everything(client: Client) -> None:
    """Every list that the server offers, page by page."""
    capabilities = client.server_capabilities
    methods: list[Callable[..., Awaitable[Any]]] = []
    if capabilities.tools:
        methods.append(client.list_tools)
    if capabilities.prompts:
        methods.append(client.list_prompts)
    if capabilities.resources:
        methods += [client.list_resources, client.list_resource_templates]
    for method in methods:
        cursor: str | None = None
        while True:
            page = await settle(functools.partial(method, cursor=cursor))
            cursor = getattr(page, "next_cursor", None)
            if cursor is None:
                break


def both(scenario: Scenario, server: list[str], folder: Path, **client: Any) -> tuple[Recording, Recording]:
    """The same scenario directly and through a gate that forbids nothing of it."""
    folder.mkdir(exist_ok=True)
    direct = record(scenario, server, folder / "direct", **client)
    through = record(scenario, server, folder / "through", NOTHING_FORBIDDEN, **client)
    return direct, through


def assert_untouched(through: Recording) -> None:
    """In one run: the agent got every byte the server sent, the server every value the agent sent."""
    assert through.agent_got == through.server_sent
    assert decoded(through.agent_sent) == decoded(through.server_got)


def assert_as_direct(direct: Recording, through: Recording) -> None:
    """In two runs: the same conversation but for times and ids that are made up anew."""
    for got, wanted in ((through.agent_got, direct.agent_got), (through.server_got, direct.server_got)):
        ours, theirs = sorted_out(got), sorted_out(wanted)
        for kind, messages in theirs.items():
            for message, expected in zip(ours[kind], messages, strict=True):
                assert message == expected
