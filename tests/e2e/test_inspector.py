"""The official inspector as a real client of the gate: both eras, over HTTP and over stdio."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.node24 import INSPECTOR
from tests.support.real_traffic import PATIENCE_SECONDS, ROOT
from tests.support.serve_process import ServeProcess

CHILD = [sys.executable, "-W", "ignore", str(ROOT / "tests" / "support" / "modern_server.py")]
REMOTE = [sys.executable, "-W", "ignore", "-m", "tests.support.http_server", "--port", "0"]
POLICY = """
hide: [count]
tools:
  add: {rules: [{name: no-big-sums, action: deny, when: {args.a: {gt: 100}}, reason: Ask a person.}]}
"""
ERAS = ["modern", "legacy", "auto"]
OK, TOOL_FAILED = 0, 5


@contextmanager
def remote_server() -> Iterator[str]:
    """A server of both eras over HTTP; its URL."""
    process = subprocess.Popen(REMOTE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    with process, process.stdout:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with remote_server() as url:
        yield url


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[ServeProcess]:
    servers: dict[str, dict[str, Any]] = {
        "remote": {"url": upstream, "policy": "policy.yaml"},
        "child": {"command": CHILD, "cwd": str(ROOT), "policy": "policy.yaml"},
    }
    with ServeProcess(tmp_path_factory.mktemp("gate"), servers, policies={"policy.yaml": POLICY}) as gate:
        yield gate


class Inspector:
    """Asks one server, one question a process."""

    def __init__(self, home: Path, era: str, target: Sequence[str]) -> None:
        self._home = home
        self._era = era
        self._target = target

    def ask(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit status and what was printed: the result, or the error."""
        ended = subprocess.run(
            [*INSPECTOR, "--protocol-era", self._era, "--format", "json", "--quiet", *words, *self._target],
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "HOME": str(self._home)},
            check=False,
        )
        printed: dict[str, Any] = json.loads(ended.stdout or ended.stderr)
        return ended.returncode, printed

    def call(self, tool: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
        """`tools/call`."""
        words = ["--tool-args-json", json.dumps(arguments)]
        return self.ask("--method", "tools/call", "--tool-name", tool, *words)


def converse(inspector: Inspector) -> None:
    """List, and call what is allowed and what is denied."""
    status, listed = inspector.ask("--method", "tools/list")
    assert status == OK, listed
    names = {tool["name"] for tool in listed["result"]["tools"]}
    assert {"add", "greet"} <= names
    assert "count" not in names

    status, allowed = inspector.call("add", a=1, b=2)
    assert status == OK, allowed
    assert allowed["result"]["content"] == [{"type": "text", "text": "3"}]

    status, denied = inspector.call("add", a=101, b=2)
    assert status == TOOL_FAILED, denied
    assert denied["result"]["isError"] is True
    assert denied["result"]["content"][0]["text"] == "denied by policy: Ask a person."
    shown = json.dumps(denied["result"])
    assert "no-big-sums" in shown


# They share a gate.
@pytest.mark.xdist_group("inspector-http")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ["remote", "child"])
def test_the_inspector_is_served_over_http(tmp_path: Path, gate: ServeProcess, name: str, era: str) -> None:
    inspector = Inspector(tmp_path, era, ["--transport", "http", "--server-url", gate.url(name)])
    converse(inspector)
    status, hidden = inspector.call("count")
    assert status == TOOL_FAILED
    assert hidden["error"]["code"] == "tool_not_found"


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_is_served_over_stdio(tmp_path: Path, era: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    gated = [sys.executable, "-m", "callgate", "run", "-c", str(policy), "--", *CHILD]
    converse(Inspector(tmp_path, era, ["--", *gated]))


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_reaches_a_remote_server_over_stdio(tmp_path: Path, upstream: str, era: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    gated = [sys.executable, "-m", "callgate", "run", "-c", str(policy), "--upstream", upstream]
    converse(Inspector(tmp_path, era, ["--", *gated]))
