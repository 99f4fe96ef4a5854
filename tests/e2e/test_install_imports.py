"""What `callgate run` loads: a gate must start in milliseconds and stay small."""

import json
import subprocess
import sys
from pathlib import Path

# msgspec takes typing_extensions, and with it inspect, where other packages have brought it.
FORBIDDEN = {"asyncio", "dataclasses", "logging", "json", "pydantic", "mcp", "anyio", "httpx", "argparse"}
HEAVY_UNTIL_NEEDED = {"jsonschema_rs", "re2", "sqlite3", "yaml", "subprocess", "pathlib", "urllib", "hashlib"}

WATCHED = """
import os, sys
gate = os.getpid()
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def note(event, details):
    if event == "import" and os.getpid() == gate:
        os.write(log, (details[0] + "\\n").encode())

sys.addaudithook(note)
from callgate.cli.main import main
sys.exit(main())
"""


def imported(folder: Path, policy: str, *options: str) -> set[str]:
    """The top-level names of the modules that a gate's own process imported while it judged two calls."""
    (folder / "policy.yaml").write_text(policy)
    calls = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rm", "arguments": {}}},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "echo", "arguments": {"text": "x"}},
        },
    ]
    recorder = Path(__file__).parents[1] / "support" / "recording_server.py"
    server = [sys.executable, str(recorder), str(folder / "log")]
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            WATCHED,
            str(folder / "imports"),
            "run",
            "-c",
            "policy.yaml",
            *options,
            "--",
            *server,
        ],
        cwd=folder,
        input="".join(json.dumps(call) + "\n" for call in calls).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert b"denied by policy" in ended.stdout
    assert (folder / "log").exists()
    names = (folder / "imports").read_text().splitlines()
    return {name.partition(".")[0] for name in names}


def test_a_gate_that_limits_and_audits_loads_nothing_slow(tmp_path: Path) -> None:
    policy = "tools: {rm: {rules: [{action: deny}]}, echo: {rules: [{rate_limit: 5/minute}]}}"
    names = imported(tmp_path, policy, "--audit", str(tmp_path / "audit.jsonl"))
    assert "callgate" in names
    assert names & FORBIDDEN == set()
    assert names & HEAVY_UNTIL_NEEDED == set()


def test_what_a_rule_needs_is_loaded_without_anything_slow_beside_it(tmp_path: Path) -> None:
    policy = (
        "tools: {rm: {rules: [{action: deny, when: {args.x: {exists: false}}}]}, "
        "echo: {rules: [{rate_limit: {max: 5, window: 1h, scope: global}}]}}"
    )
    names = imported(tmp_path, policy, "--state", f"sqlite:///{tmp_path}/state.db")
    assert "sqlite3" in names or "_sqlite3" in names
    assert names & FORBIDDEN == set()
