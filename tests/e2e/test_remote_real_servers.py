"""Real servers over HTTP for the official client on stdio: what comes through the gate is what comes directly."""

import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from pydantic import BaseModel
from tests.support.http_servers import sdk_server, server_everything
from tests.support.real_traffic import (
    NOTHING_FORBIDDEN,
    ROOT,
    elicit,
    normal,
    roots,
    sample,
    settle,
)

pytestmark = pytest.mark.filterwarnings("ignore")

PATIENCE_SECONDS = 60.0
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("add", {"a": 1, "b": 2}),
    ("echo", {"text": 'zw\u00f6lf\u2028 "quoted"\r\n' + "x" * 200_000}),
    ("wait", {"steps": 3}),
    ("think", {}),
    ("look", {}),
    ("sign", {"letter": "hi"}),
    ("greet", {"greeting": "hello"}),
    ("query", {"region": "e\u00fc", "limit": 3}),
    ("interrupted", {"steps": 4}),
    ("add", {"a": "no number"}),
    ("no-such-tool", {}),
]
EVERYTHING: list[tuple[str, dict[str, Any]]] = [
    ("echo", {"message": 'zw\u00f6lf\u2028 \U0001f389 "quoted"'}),
    ("get-sum", {"a": 2, "b": 40.5}),
    ("get-annotated-message", {"messageType": "error", "includeImage": True}),
    ("get-resource-links", {"count": 2}),
    ("get-roots-list", {}),
    ("get-structured-content", {"location": "Chicago"}),
    ("get-tiny-image", {}),
    ("trigger-sampling-request", {"prompt": "hi", "maxTokens": 10}),
    ("trigger-elicitation-request", {}),
    ("trigger-long-running-operation", {"duration": 0.3, "steps": 3}),
    ("echo", {}),
    ("no-such-tool", {}),
]

Calls = list[tuple[str, dict[str, Any]]]
Scenario = Callable[[Client, "Heard"], Awaitable[None]]


class Heard:
    """What a client got: results in order, notifications and progress apart, as they may overtake results."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.notes: list[Any] = []

    def keep(self, result: Any) -> None:
        """Note a result, or an error, without what is made up anew every time."""
        self.results.append(plain(result) if isinstance(result, BaseModel) else repr(result))

    async def note(self, message: Any) -> None:
        """Note whatever comes without being asked for."""
        if isinstance(message, BaseModel):
            self.notes.append(plain(message))

    def sorted_notes(self) -> list[str]:
        return sorted(json.dumps(note, sort_keys=True) for note in self.notes)


def plain(model: BaseModel) -> Any:
    return normal(json.dumps(model.model_dump(mode="json", by_alias=True)).encode())


def play(scenario: Scenario, mode: str, target: Any, **client: Any) -> Heard:
    heard = Heard()
    offered = {"sampling_callback": sample, "elicitation_callback": elicit, **client}

    async def limited() -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with Client(
                target, mode=mode, cache=None, message_handler=heard.note, **offered
            ) as connected:
                await scenario(connected, heard)

    anyio.run(limited)
    return heard


def through(url: str, folder: Path, *options: str, policy: str = NOTHING_FORBIDDEN) -> Any:
    """The transport of a gate on stdio in front of `url`."""
    (folder / "policy.yaml").write_text(policy)
    gate = ["-m", "callgate", "run", "-c", str(folder / "policy.yaml"), "--state", "memory://"]
    gate += ["--audit", str(folder / "audit.jsonl"), "--upstream", url, *options]
    return stdio_client(StdioServerParameters(command=sys.executable, args=gate, cwd=str(ROOT)))


def both(
    scenario: Scenario, mode: str, server: AbstractContextManager[str], folder: Path, **client: Any
) -> tuple[Heard, Heard]:
    """The scenario directly and through a gate."""
    with server as url:
        direct = play(scenario, mode, url, **client)
        return direct, play(scenario, mode, through(url, folder), **client)


async def every_call(client: Client, heard: Heard, calls: Calls) -> None:
    for tool, arguments in calls:
        seen: list[float] = []

        async def note(
            progress: float, total: float | None, message: str | None, seen: list[float] = seen
        ) -> None:
            seen.append(progress)

        call: Any = partial(client.call_tool, tool, arguments, progress_callback=note)
        heard.keep(await settle(call))
        heard.results.append(seen)


async def all_of_it(client: Client, heard: Heard) -> None:
    heard.keep(await client.list_tools())
    await every_call(client, heard, CALLS)
    heard.keep(await settle(client.list_prompts))
    heard.keep(await settle(client.list_resources))


async def all_of_everything(client: Client, heard: Heard) -> None:
    heard.keep(await client.list_tools())
    await every_call(client, heard, EVERYTHING)
    heard.keep(await client.list_prompts())
    heard.keep(await client.get_prompt("args-prompt", {"city": "Oslo", "state": "?"}))
    heard.keep(await client.list_resources())
    heard.keep(await client.read_resource("demo://resource/static/document/features.md"))
    heard.keep(await settle(lambda: client.read_resource("demo://nowhere")))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("legacy", []),
        ("legacy", ["--json"]),
        ("legacy", ["--resumable"]),
        ("legacy", ["--stateless"]),
        ("2026-07-28", []),
        ("2026-07-28", ["--json"]),
        ("auto", []),
    ],
)
def test_an_sdk_server_is_as_it_is_without_the_gate(tmp_path: Path, mode: str, options: list[str]) -> None:
    offer = {"list_roots_callback": roots(tmp_path)}
    direct, gated = both(all_of_it, mode, sdk_server(*options), tmp_path, **offer)
    assert gated.results == direct.results
    assert gated.sorted_notes() == direct.sorted_notes()
    if "--stateless" not in options and not (mode == "legacy" and options == ["--json"]):
        assert "thought: n=1" in json.dumps(gated.results)


def test_server_everything_is_as_it_is_without_the_gate(tmp_path: Path) -> None:
    direct, gated = both(all_of_everything, "legacy", server_everything(), tmp_path)
    assert gated.results == direct.results
    assert gated.sorted_notes() == direct.sorted_notes()
    assert [1, 2, 3] in gated.results


def test_an_agent_of_both_eras_finds_that_a_server_has_only_the_older(tmp_path: Path) -> None:
    async def scenario(client: Client, heard: Heard) -> None:
        heard.keep(await client.call_tool("echo", {"message": "hi"}))

    direct, gated = both(scenario, "auto", server_everything(), tmp_path)
    assert gated.results == direct.results


def test_a_cancelled_call_ends_at_the_server_and_the_connection_goes_on(tmp_path: Path) -> None:
    async def scenario(client: Client, heard: Heard) -> None:
        started = anyio.Event()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            started.set()

        call: Any = partial(client.call_tool, "wait", {"steps": 5_000}, progress_callback=note)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await started.wait()
            tasks.cancel_scope.cancel()
        heard.keep(await client.call_tool("add", {"a": 1, "b": 1}))

    for mode in ("legacy", "2026-07-28"):
        folder = tmp_path / mode
        folder.mkdir()
        with sdk_server() as url:
            gated = play(scenario, mode, through(url, folder))
        assert '"2"' in json.dumps(gated.results)
        records = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
        assert [one["status"] for one in records if one["kind"] == "outcome"][1:] == ["cancelled", "ok"]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_what_the_policy_denies_never_reaches_the_server(tmp_path: Path, mode: str) -> None:
    async def scenario(client: Client, heard: Heard) -> None:
        heard.keep(await client.list_tools())
        heard.keep(await client.call_tool("add", {"a": 1, "b": 2}))
        heard.keep(await settle(lambda: client.call_tool("echo", {"text": "x"})))

    policy = "hide: [echo]\ntools: {add: {rules: [{action: deny}]}}"
    log = tmp_path / "requests"
    with sdk_server("--log", str(log)) as url:
        gated = play(scenario, mode, through(url, tmp_path, policy=policy))
    listed, denied, unknown = gated.results
    assert "echo" not in {tool["name"] for tool in listed["tools"]}
    assert denied["isError"] is True
    assert denied["structuredContent"]["code"] == "DEN001"
    assert "unknown-" not in json.dumps(unknown)
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    named = [dict(request["headers"]).get("mcp-name") for request in asked]
    assert "add" not in named
    assert "echo" not in named


def test_headers_of_marked_parameters_are_those_that_the_official_client_sends(tmp_path: Path) -> None:
    async def scenario(client: Client, heard: Heard) -> None:
        await client.list_tools()
        heard.keep(await client.call_tool("query", {"region": "=?base64?x?=", "limit": 7}))

    def marked(log: Path) -> list[dict[str, str]]:
        requests = [dict(json.loads(line)["headers"]) for line in log.read_text().splitlines()]
        return [
            {name: value for name, value in request.items() if name.startswith("mcp-")}
            for request in requests
        ]

    direct, gated = tmp_path / "direct", tmp_path / "gated"
    with sdk_server("--log", str(direct)) as url:
        play(scenario, "2026-07-28", url)
    with sdk_server("--log", str(gated)) as url:
        play(scenario, "2026-07-28", through(url, tmp_path))
    assert marked(gated) == marked(direct)
    assert marked(gated)[-1]["mcp-param-limit"] == "7"


def test_a_subscription_hears_of_changes(tmp_path: Path) -> None:
    async def scenario(client: Client, heard: Heard) -> None:
        async with client.listen(tools_list_changed=True) as events:
            heard.keep(await client.call_tool("grow", {}))
            heard.results.append(type(await anext(aiter(events))).__name__)

    with sdk_server() as url:
        direct = play(scenario, "2026-07-28", url)
    with sdk_server() as url:
        gated = play(scenario, "2026-07-28", through(url, tmp_path))
    assert gated.results == direct.results
