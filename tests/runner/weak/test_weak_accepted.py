"""The weaker tier runs only where it is accepted by name and the full sandbox is not to be had, and says so."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult
from weak_runs import reachable_python

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.contract import Limits, WallReport
from callgate.runner.sandbox.weak.accepted import FullOrWeak
from callgate.runner.sandbox.weak.backend import WeakBackend


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that scripts' users may enter, with a PATH that has no bubblewrap."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o711)
    (folder / "bin").mkdir()
    yield folder
    shutil.rmtree(folder)


def configured(home: Path, **runner: Any) -> tuple[list[str], dict[str, str]]:
    """(what to run after `callgate runner`, its environment)."""
    settings = {
        "journal": f"sqlite:{home / 'runner.sqlite'}",
        "python": reachable_python(),
        "packages": {"profile": "none"},
        "pool": 1,
        **runner,
    }
    file = home / "callgate.yaml"
    file.write_text(json.dumps({"runner": settings}))
    environment = {**os.environ, "PATH": str(home / "bin"), "TMPDIR": str(home)}
    return ["-c", str(file)], environment


def checked(home: Path, **runner: Any) -> "subprocess.CompletedProcess[str]":
    options, environment = configured(home, **runner)
    return subprocess.run(
        [sys.executable, "-m", "callgate", "runner", "check", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_the_setting_a_runner_without_bubblewrap_is_refused(home: Path) -> None:
    done = checked(home)
    assert done.returncode == 6
    assert "SBX003" in done.stderr


def test_with_the_setting_it_runs_weakly_and_warns_of_what_is_missing(home: Path) -> None:
    done = checked(home, accept_tier="weak")
    assert done.returncode == 0, done.stderr
    assert "SBX040" in done.stderr
    assert "without namespaces" in done.stderr
    assert "tier weak" in done.stdout


def test_a_network_is_refused_at_the_start(home: Path) -> None:
    done = checked(home, accept_tier="weak", network=["example.com:443"])
    assert done.returncode == 6
    assert "SBX043" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a plain user's scripts reach what it reaches")
def test_an_interpreter_out_of_reach_is_named(home: Path) -> None:
    home.chmod(0o700)
    done = checked(home, accept_tier="weak")
    assert done.returncode == 6
    assert "SBX042" in done.stderr
    assert str(home) in done.stderr


def test_every_answer_names_the_tier(home: Path) -> None:
    options, environment = configured(home, accept_tier="weak")

    async def asked() -> tuple[str, dict[str, Any], str]:
        with open(home / "stderr", "w") as errors:
            server = StdioServerParameters(
                command=sys.executable, args=["-m", "callgate", "runner", *options], env=environment
            )
            async with Client(stdio_client(server, errlog=errors)) as client:
                said = client.instructions or ""
                answer = await client.call_tool("executeCode", {"script": "print(1)"})
                assert isinstance(answer, CallToolResult)
                text = "".join(getattr(part, "text", "") for part in answer.content)
                return said, answer.structured_content or {}, text

    said, content, text = asyncio.run(asked())
    assert "weaker walls" in said
    assert content["status"] == "completed"
    assert content["sandbox"] == {"backend": "landlock", "tier": "weak"}
    assert "tier `weak`" in text
    assert "SBX040" in (home / "stderr").read_text()


class _Full(BwrapBackend):
    """A full sandbox that cannot be opened, for a given reason, or can."""

    def __init__(self, code: str | None) -> None:
        super().__init__(limits=Limits())
        self._code = code

    async def open(self) -> Sequence[WallReport]:
        if self._code is not None:
            raise SandboxError(self._code, "not here")
        return ()


@pytest.mark.parametrize("code", ["SBX001", "SBX005", "SBX012", "SBX020", "SBX021"])
def test_a_sandbox_that_fails_for_another_reason_is_not_replaced(code: str) -> None:
    warned: list[str] = []
    chosen = FullOrWeak(_Full(code), WeakBackend(limits=Limits()), warned.append)
    with pytest.raises(SandboxError) as refused:
        asyncio.run(chosen.open())
    assert (refused.value.code, warned) == (code, [])


def test_a_full_sandbox_that_opens_is_used() -> None:
    warned: list[str] = []
    chosen = FullOrWeak(_Full(None), WeakBackend(limits=Limits()), warned.append)
    asyncio.run(chosen.open())
    assert (chosen.name, chosen.tier, warned) == ("bwrap", "sandbox", [])
