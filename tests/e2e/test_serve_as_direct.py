"""The same requests directly and through `serve`, message by message: only ids of sessions and times may differ.

Requests are written by hand, so the whole answer is compared: status, kind, headers that mean something, every frame.
"""

import json
from pathlib import Path

import pytest
from played_both_ways import EVERYTHING, Noted, compared, traffic
from tests.support.http_agent import LEGACY, MODERN, Agent
from tests.support.http_servers import sdk_server, server_everything


@pytest.mark.parametrize("version", [LEGACY, MODERN])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["sse", "json"])
def test_an_sdk_server_over_http(tmp_path: Path, version: str, options: list[str]) -> None:
    with sdk_server(*options) as url:
        found = compared(traffic, version, url, tmp_path)
    text = json.dumps(found)
    assert "\\u00e9" * 500_000 in text
    assert options or "notifications/progress" in text


def test_questions_to_the_client_on_its_stream_and_its_answers(tmp_path: Path) -> None:
    """Handshake era: elicitation and sampling go to the client in mid-call; its answers are POSTs of their own."""

    async def script(agent: Agent, noted: Noted) -> None:
        noted.keep(await agent.initialize())
        agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        noted.keep(await agent.answer())
        accepted = {"action": "accept", "content": {"name": "Ann"}}
        said = {"role": "assistant", "content": {"type": "text", "text": "yes"}, "model": "m"}
        for tool, arguments, answer in (("sign", {"letter": "hi"}, accepted), ("think", {}, said)):
            await agent.open("tools/call", name=tool, arguments=arguments)
            while "id" not in (question := await agent.event()) or "method" not in question:
                noted.frame(question)
            noted.frame({**question, "id": "asked"})
            async with Agent(agent.port) as other:
                other.target, other.headers = agent.target, agent.headers
                other.post({"jsonrpc": "2.0", "id": question["id"], "result": answer})
                noted.keep(await other.answer())
            for message in await agent.rest():
                noted.frame(message)

    with sdk_server() as url:
        found = compared(script, LEGACY, url, tmp_path)
    assert "hi, Ann" in json.dumps(found)
    assert "thought: yes" in json.dumps(found)


def test_a_stream_that_breaks_is_taken_up_again_with_the_last_event_id(tmp_path: Path) -> None:
    async def script(agent: Agent, noted: Noted) -> None:
        noted.keep(await agent.initialize())
        agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        noted.keep(await agent.answer())
        meta = {"progressToken": 5}
        await agent.open("tools/call", name="interrupted", arguments={"steps": 4}, _meta=meta)
        text = b""
        while chunk := await agent.chunk():
            text += chunk
        # Event ids count all events of the server, so they are other ones the second time: their order is compared.
        ids = [line[4:].strip().decode() for line in text.split(b"\n") if line.startswith(b"id: ")]
        noted.all.append([len(ids), [line for line in text.decode().split() if line.startswith("data")]])
        agent.write("GET", b"", {"accept": "text/event-stream", "last-event-id": ids[-1]})
        noted.all.append((await agent.streaming())["content-type"])
        while True:
            message = await agent.event()
            noted.frame(message)
            if "result" in message:
                break

    with sdk_server("--resumable") as url:
        found = compared(script, LEGACY, url, tmp_path)
    assert "arrived" in json.dumps(found)


def test_a_cancelled_call_and_the_end_of_a_session(tmp_path: Path) -> None:
    async def script(agent: Agent, noted: Noted) -> None:
        noted.keep(await agent.initialize())
        meta = {"progressToken": 5}
        await agent.open("tools/call", name="wait", arguments={"steps": 5_000}, _meta=meta)
        noted.frame(await agent.event())
        async with Agent(agent.port) as other:
            other.target, other.headers = agent.target, agent.headers
            params = {"requestId": agent.id, "reason": "enough"}
            other.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
            noted.keep(await other.answer())
            rest = [message for message in await agent.rest() if "progress" not in json.dumps(message)]
            noted.all.append(rest)
            other.write("DELETE", b"", {})
            noted.keep(await other.answer())
            noted.all.append((await other.call("add", a=1, b=2)).status)

    with sdk_server() as url:
        assert compared(script, LEGACY, url, tmp_path)[-1] == 404


def test_server_everything_over_http(tmp_path: Path) -> None:
    async def script(agent: Agent, noted: Noted) -> None:
        noted.keep(await agent.initialize())
        agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        noted.keep(await agent.answer())
        for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
            noted.keep(await agent.ask(method))
        for tool, arguments in EVERYTHING:
            noted.keep(
                await agent.ask("tools/call", name=tool, arguments=arguments, _meta={"progressToken": 1})
            )
        noted.keep(await agent.ask("logging/setLevel", level="debug"))

    with server_everything() as url:
        found = compared(script, LEGACY, url, tmp_path)
    assert "notifications/progress" in json.dumps(found)
