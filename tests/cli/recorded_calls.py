"""An audit with one call of every kind, and running `callgate` on it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from callgate.audit.chain import ORIGIN, seal
from callgate.audit.encode import encode
from callgate.audit.record import ChainStart, DecisionRecord, EventRecord, OutcomeRecord, Record, Status
from callgate.digest import lean

DAY = "2026-11-01"
LOOKS = Path(__file__).parent / "looks"


def at(second: int) -> str:
    """A time of the recorded day."""
    minutes, seconds = divmod(second, 60)
    return f"{DAY}T14:{minutes:02}:{seconds:02}.125Z"


def ago(seconds: float) -> str:
    """A time before now."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def decided(
    id: str,
    time: str,
    tool: str = "search_code",
    server: str = "github",
    code: str | None = None,
    rule: str | None = None,
    reason: str | None = None,
    parent: str | None = None,
    identity: str = "alice",
) -> DecisionRecord:
    return DecisionRecord(
        id,
        time,
        "session-1",
        identity,
        server,
        tool,
        "allow" if code is None else "deny",
        "3f9c1a2",
        request=7,
        arguments="sha256:" + "ab" * 32,
        code=code,
        rule=rule,
        reason=reason,
        retry_after=41 if code == "DEN020" else None,
        charges=2 if code is None else None,
        parent=parent,
    )


def ended(
    id: str, time: str, status: Status = "ok", ms: float | None = 12.3, rpc: int | None = None
) -> OutcomeRecord:
    return OutcomeRecord(id, time, status, duration_ms=ms, response_bytes=345, rpc_code=rpc)


EVERYTHING: list[Record] = [
    EventRecord(
        at(0), "gate_started", detail="callgate 1.0, policy 3f9c1a2", server="github", policy="3f9c1a2"
    ),
    decided("a0-0", at(0), "self-test-x", code="DEN001", rule="self-test", reason="this call tests the gate"),
    ended("a0-0", at(0), "denied", 0.1),
    decided("a0-1", at(11)),
    ended("a0-1", at(11)),
    decided("a0-2", at(19), "create_charge", "stripe", "DEN005", "cap", "amount over 500.00", identity="bob"),
    ended("a0-2", at(19), "denied", 0.04),
    decided("a0-3", at(21), "list_customers", "stripe"),
    decided("a0-4", at(22), "create_issue", parent="a0-3"),
    ended("a0-4", at(23), "tool_error", 1234.5),
    ended("a0-3", at(51), "unknown", 30000.0),
    decided("a0-5", at(52), "create_issue"),
    ended("a0-5", at(52), "rpc_error", 3.21, -32602),
    decided(
        "a0-6", at(60), "search_code", code="DEN020", rule="hourly", reason="rate limit 10 in 60 s reached"
    ),
    ended("a0-6", at(60), "denied", 0.2),
    decided("a0-7", at(61), "run"),
    ended("a0-7", at(62), "cancelled", 800.0),
    decided("a0-8", at(90), "slow"),
]


def lines(records: Sequence[Record]) -> bytes:
    """The bytes of a whole audit with `records`."""
    everything: list[Record] = [ChainStart(1, at(0)), *records]
    return seal([encode(record) for record in everything], 0, ORIGIN, lean)[0]


def callgate(
    folder: Path, *words: str, input: bytes | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in `folder`, in UTC, with nothing of the caller's environment that colours could come from."""
    return subprocess.run(
        [sys.executable, "-m", "callgate", *words],
        cwd=folder,
        env=surroundings() | (environment or {}),
        input=b"" if input is None else input,
        capture_output=True,
        timeout=60,
        check=False,
    )


def surroundings() -> dict[str, str]:
    """The environment for a command."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"TZ": "UTC"}
