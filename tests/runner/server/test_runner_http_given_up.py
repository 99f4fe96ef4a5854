"""The runner over HTTP where it is given up before it is ready: it answers already, and must end without a word."""

import asyncio
import json
import logging
from typing import Any
from urllib.parse import urlsplit

import pytest
from server_calls import run
from tests.support.raw_agent import META

from callgate.config.model import ListenConfig
from callgate.runner.jobs.contract import Engine
from callgate.runner.jobs.when_ready import EngineWhenReady
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.over_http import serve_http

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "executeCode", "arguments": {"script": "1"}, "_meta": META},
}


class _Asked(EngineWhenReady):
    """Tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().create_future())
        self.asked = asyncio.Event()

    async def _ready(self) -> Engine:
        self.asked.set()
        return await super()._ready()


@pytest.mark.parametrize("waiting", [False, True], ids=["nobody", "a client"])
def test_given_up_while_it_waits_it_ends_without_a_word(
    waiting: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        engine, url = _Asked(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            serve_http(
                engine,
                ListenConfig(port=0),
                None,
                ServerOptions(),
                stop=asyncio.Event(),
                listening=url.set_result,
            )
        )
        host = urlsplit(await url).netloc
        if waiting:
            writer = await _call(host)
            await engine.asked.wait()
        serving.cancel()
        done, _ = await asyncio.wait((serving,), timeout=60)
        assert done
        assert serving.cancelled()
        if waiting:
            writer.close()

    with caplog.at_level(logging.INFO):
        run(work)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING], caplog.text


async def _call(host: str) -> asyncio.StreamWriter:
    body = json.dumps(CALL)
    head: dict[str, Any] = {
        "Host": host,
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "executeCode",
        "Content-Length": len(body),
    }
    name, _, port = host.partition(":")
    _, writer = await asyncio.open_connection(name, int(port))
    lines = "".join(f"{key}: {value}\r\n" for key, value in head.items())
    writer.write(f"POST /mcp HTTP/1.1\r\n{lines}\r\n{body}".encode())
    await writer.drain()
    return writer
