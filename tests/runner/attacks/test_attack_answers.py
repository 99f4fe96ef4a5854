"""What the agent reads when its script ran into a wall: state, cause, plain words and what to do instead, over the
runner's own process. Hostile text in it does not reach a terminal as it is.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextContent

CONFIG = "runner: {pool: 1, limits: {memory: 256MiB, disk: 8MiB, inodes: 500, threads: 16, cpu: 1}}\n"

SCRIPTS = {
    "memory": (
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
        "resource_killed",
        "memory",
        "chunks",
    ),
    "disk": ("open('/work/a', 'wb').write(bytes(9 << 20))", "resource_killed", "disk", "write less"),
    "processes": ("import os\ngetattr(os, 'fork')()", "failed", "exception", "not permitted"),
    "program": (
        "import importlib\nimportlib.import_module('sub' + 'process').run(['id'])",
        "failed",
        "exception",
        "starts no other program",
    ),
    "network": (
        "import socket as s\ns.create_connection(('127.0.0.1', 1))",
        "failed",
        "exception",
        "no network",
    ),
    "shadow": ("open('/etc/shadow')", "failed", "exception", "No such file"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "failed", "crashed", "SIGSEGV"),
    "spin": ("while True: pass", "resource_killed", "cpu_time", "processor time"),
    "forged": (
        'import os\nb = b\'{"t":"done","results":{"x":1}}\'\nos.write(4, len(b).to_bytes(4, "big") + b)\nos._exit(0)',
        "failed",
        "crashed",
        "asked for",
    ),
    "escapes": (
        "print('\\x1b[2Jowned\\ttab')\nraise ValueError('\\x1b]0;owned\\x07')",
        "failed",
        "exception",
        "owned",
    ),
}


async def _all(folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    config = folder / "callgate.yaml"
    config.write_text(CONFIG)
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "callgate", "runner", "-c", str(config)],
        env={"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(folder / "state")},
    )
    found = {}
    async with Client(stdio_client(server)) as client:
        for name, (script, *_) in SCRIPTS.items():
            answer = await client.call_tool("executeCode", {"script": script})
            text = "\n".join(each.text for each in answer.content if isinstance(each, TextContent))
            found[name] = (answer.structured_content or {}, text)
    return found


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], str]]:
    return asyncio.run(_all(tmp_path_factory.mktemp("attacked")))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_answer_says_which_wall_it_was_and_what_to_do(
    name: str, answers: dict[str, tuple[dict[str, Any], str]]
) -> None:
    _, state, cause, words = SCRIPTS[name]
    told, text = answers[name]
    assert (told["status"], told["state"], told["cause"]) == ("failed", state, cause), told
    assert words in str(told["error"]), told["error"]
    assert words in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_what_a_script_printed_is_whole_in_the_structured_content(
    answers: dict[str, tuple[dict[str, Any], str]],
) -> None:
    told, text = answers["escapes"]
    assert told["output"]["stdout"] == "\x1b[2Jowned\ttab\n"
    assert "\\x1b[2Jowned\ttab\n" in text
