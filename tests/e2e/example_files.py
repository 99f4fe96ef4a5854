"""What the tests of `examples/` share: its folder, gates that run its files, and API keys."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.support.serve_process import ServeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CALLGATE = Path(sys.executable).with_name("callgate")


class ExampleGate(ServeProcess):
    """A gate that runs the `callgate.yaml` that lies in `folder` already."""

    def __init__(self, folder: Path, *options: str, prefix: Sequence[str] = ()) -> None:
        super().__init__(folder, {}, "--host", "127.0.0.1", *options, prefix=prefix)

    def write_config(
        self, servers: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any] | None = None
    ) -> None:
        """Leave the file as it is."""


def callgate(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [str(CALLGATE), *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )


def substituted(text: str, changes: Mapping[str, str]) -> str:
    """`text` with everything replaced; each of `changes` must be there, so that none outlives its reason."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def new_key(identity: str) -> tuple[str, dict[str, Any]]:
    """An API key and its entry in the file of keys."""
    made = json.loads(callgate("key", "new", "--identity", identity, "--format", "json").stdout)
    return made["key"], made["entry"]


def write_keys(path: Path, *entries: dict[str, Any]) -> None:
    """A file of API keys (JSON is YAML)."""
    path.write_text(json.dumps({"keys": entries}))
    path.chmod(0o400)


@asynccontextmanager
async def http_client(url: str, headers: Mapping[str, str]) -> "AsyncIterator[Client]":
    """The official client at `url`."""
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client
