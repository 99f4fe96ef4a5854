"""The attack corpus in front of real servers: what is forbidden leaves a trace on the disk if it ever runs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.attacks import CORPUS, Target
from tests.support.gate_process import GateProcess

FILESYSTEM = Path(__file__).resolve().parent.parent / "servers/node_modules/.bin/mcp-server-filesystem"
Server = tuple[list[str], Target, Callable[[], bool]]
"""The command, the calls, and whether the forbidden one was run."""

HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "0"},
}


def filesystem(folder: Path) -> Server:
    assert FILESYSTEM.exists(), "run scripts/setup"
    home = folder / "home"
    home.mkdir()
    forbidden = {"path": str(home / "forbidden.txt"), "content": "x"}
    target = Target("write_file", forbidden, "list_directory", {"path": str(home)})
    return [str(FILESYSTEM), str(home)], target, lambda: any(home.iterdir())


def git(folder: Path) -> Server:
    home = folder / "home"
    subprocess.run(["git", "init", "-q", "-b", "main", str(home)], check=True)
    author = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", "-C", str(home), *author, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    forbidden = {"repo_path": str(home), "branch_name": "forbidden"}
    target = Target("git_create_branch", forbidden, "git_status", {"repo_path": str(home)})

    def ran() -> bool:
        return (home / ".git/refs/heads/forbidden").exists()

    return [sys.executable, "-m", "mcp_server_git", "--repository", str(home)], target, ran


SERVERS: dict[str, Callable[[Path], Server]] = {"filesystem": filesystem, "git": git}


def code_of(answer: dict[str, Any]) -> str:
    """The gate's code in an answer; "result" for whatever the server itself says."""
    if "error" in answer:
        data = answer["error"].get("data")
        return str(data["code"]) if isinstance(data, dict) and "code" in data else "result"
    content = answer["result"].get("structuredContent")
    return str(content["code"]) if isinstance(content, dict) and "code" in content else "result"


@pytest.mark.parametrize("server", SERVERS)
def test_no_attack_of_the_corpus_reaches_a_forbidden_tool(server: str, tmp_path: Path) -> None:
    command, target, ran = SERVERS[server](tmp_path)
    policy, audit = tmp_path / "policy.yaml", tmp_path / "audit.jsonl"
    policy.write_text(f"default: deny\ntools:\n  {target.allowed_tool}: {{rules: []}}\n")
    options = ("--audit", str(audit), "--audit-sync", "none", "--log-level", "error")
    wrong = []
    with GateProcess(policy, command, *options) as gate:
        gate.initialize()
        for attack in CORPUS:
            if attack.heavy:
                continue
            ordinary = msgspec.json.encode(f"after {attack.name}")
            gate.send_raw(attack.build(target) + b"\n" + target.allowed(ordinary) + b"\n")
            # A server may answer in another order than it was asked.
            answers = [gate.receive() for _ in range(len(attack.answers) + 1)]
            found = [(answer["id"], code_of(answer)) for answer in answers if "method" not in answer]
            wanted = [*attack.answers, (f"after {attack.name}", "result")]
            if ran() or sorted(map(repr, found)) != sorted(map(repr, wanted)):
                wrong.append((attack.name, found))
    assert wrong == []
    assert not ran()
    verify = [sys.executable, "-m", "callgate", "audit", "verify", str(audit)]
    assert subprocess.run(verify, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("server", "attack"),
    [
        ("filesystem", "name twice, the forbidden last"),
        ("filesystem", "name twice through an escape"),
        ("filesystem", "the id is 1.0"),
        ("filesystem", "a byte that is not UTF-8"),
        ("git", "name twice, the forbidden last"),
        ("git", "a call in a ping between carriage returns"),
    ],
)
def test_the_same_bytes_run_the_forbidden_tool_without_a_gate(
    server: str, attack: str, tmp_path: Path
) -> None:
    command, target, ran = SERVERS[server](tmp_path)
    if attack.startswith("name twice"):
        # Both calls then have the arguments of the forbidden one.
        target = msgspec.structs.replace(target, allowed_arguments=target.forbidden_arguments)
    (data,) = [one.build(target) for one in CORPUS if one.name == attack]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for frame in (
            {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
        ):
            process.stdin.write(json.dumps(frame).encode() + b"\n")
        process.stdin.write(data + b"\n" + target.allowed(b'"done"') + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            if ran() or json.loads(line).get("id") == "done":
                break
        process.stdin.close()
    assert ran()
