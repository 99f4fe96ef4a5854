"""An MCP server over stdio, by the SDK, whose effects can be counted afterwards.

tally_server.py LOG

LOG gets a line, synced, when a call begins, when it takes effect, and before it is answered. A call of `append` is
answered with a word that nobody could guess, so that an answer proves which effect it belongs to.
"""

import asyncio
import json
import os
import sys

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

LOG = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
server = MCPServer("tally")


def note(at: str, token: str, word: str) -> None:
    os.write(LOG, json.dumps({"at": at, "token": token, "word": word}).encode() + b"\n")
    os.fsync(LOG)


@server.tool()
async def append(token: str, before: float = 0, after: float = 0) -> str:
    """Take effect after `before` seconds, and answer `after` seconds later."""
    word = os.urandom(6).hex()
    note("begin", token, word)
    await asyncio.sleep(before)
    note("effect", token, word)
    await asyncio.sleep(after)
    note("answer", token, word)
    return word


@server.tool(annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True))
async def read(key: str) -> str:
    """What is there; the same for the same key."""
    await asyncio.sleep(0.01)
    return key[::-1]


server.run()
