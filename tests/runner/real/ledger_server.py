"""An MCP server over stdio, by the SDK, whose effects can be counted from outside.

ledger_server.py FOLDER

`append` writes a line into FOLDER/ledger; `hold` (which may be made again) says in FOLDER/held that it was called and
answers when FOLDER/go is there; `stick` takes effect like `append` and then holds.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

FOLDER = Path(sys.argv[1])
server = MCPServer("ledger")


def note(file: str, line: str) -> None:
    with open(FOLDER / file, "ab", buffering=0) as log:
        log.write(line.encode() + b"\n")


async def gone_ahead() -> None:
    while not (FOLDER / "go").exists():
        await asyncio.sleep(0.02)


@server.tool()
async def append(line: str) -> str:
    """Write a line into the ledger."""
    note("ledger", line)
    return f"{line} is there"


@server.tool()
async def stick(line: str) -> str:
    """Write a line into the ledger, and answer late."""
    note("ledger", line)
    await gone_ahead()
    return f"{line} is there"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def hold() -> str:
    """Answer late."""
    note("held", str(os.getpid()))
    await gone_ahead()
    return "went ahead"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def process() -> int:
    """The id of this server's process."""
    return os.getpid()


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def surroundings() -> dict[str, Any]:
    """What this server finds in its environment."""
    return dict(os.environ)


server.run()
