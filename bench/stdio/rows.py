"""The rows that need no download: direct, the floor, socat, and the gate in its settings."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from bench.stdio.harness import Harness, Row

POLICY = Path(__file__).parent / "policy.yaml"
ROOT = Path(__file__).parents[2]
DIRECT = "direct"
FLOOR = "C relay"
GATE = "callgate"


def floor_rows(harness: Harness) -> list[Row]:
    """What stands between agent and server at least: nothing, our relay, and socat if it is installed."""
    server = str(harness.program("echo_server"))
    rows = [
        Row(DIRECT, (server,), "nothing between client and server"),
        Row(FLOOR, (str(harness.program("relay")), server), "copies bytes; looks at none"),
    ]
    if shutil.which("socat"):
        rows.append(Row("socat", ("socat", "STDIO", f"EXEC:{server}"), "copies bytes; looks at none"))
    return rows


def gate_command(given: str | None, home: Path) -> tuple[str, ...]:
    """The command that starts the gate: the one given, else this checkout, installed as a person would.

    A development environment is no measure: what else is installed there changes what is imported at a start.
    Where the checkout cannot be built, its sources run on top of its dependencies, and stderr says so.
    Raises CalledProcessError if not even the dependencies can be had.
    """
    if given:
        return tuple(given.split())
    if not (home / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True, capture_output=True)
    pip = [str(home / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
    built = subprocess.run(
        [*pip, "--upgrade", "--force-reinstall", "--no-deps", str(ROOT)], capture_output=True
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    subprocess.run([*pip, *project["dependencies"]], check=True, capture_output=True)
    if built.returncode == 0:
        return (str(home / "bin" / "callgate"),)
    print("the checkout cannot be built: its sources are measured, started with -m", file=sys.stderr)
    return ("env", f"PYTHONPATH={ROOT / 'src'}", str(home / "bin" / "python"), "-m", "callgate")


def gate_rows(harness: Harness, command: tuple[str, ...]) -> list[Row]:
    """The gate with everything on, along the curve of durability: what is safe against what."""
    server = str(harness.program("echo_server"))
    text = POLICY.read_text()
    if text.count("scope: session}") != 1:
        raise ValueError("the policy's first rule must have the only `scope: session}`")
    session, shared = harness.dir / "session.yaml", harness.dir / "global.yaml"
    session.write_text(text)
    shared.write_text(text.replace("scope: session}", "scope: global}"))
    everything = "50 rules, strict wire, schema and required arguments"

    def row(name: str, policy: Path, on: str, *options: str, audit: bool = True) -> Row:
        words = (*command, "run", "-c", str(policy), "--log-level", "warning", *options)
        if audit:
            words += ("--audit", "{dir}/audit.jsonl")
        return Row(
            name, (*words, "--", server), f"{everything}, {on}", records="audit.jsonl" if audit else None
        )

    none, full = ("--audit-sync", "none"), ("--audit-sync", "full")
    sqlite = "sqlite:///{dir}/limits.db"
    return [
        row(f"{GATE}, no audit", session, "session limit in memory, no audit", audit=False),
        row(GATE, session, "session limit in memory, chained audit written before each forward", *none),
        row(
            f"{GATE}, audit synced",
            session,
            "the same, audit on the disk before each forward (the default)",
            *full,
        ),
        row(
            f"{GATE}, sqlite normal",
            shared,
            "global limit in SQLite, survives a crash of the process; chained audit, written",
            *(*none, "--state", f"{sqlite}?sync=normal"),
        ),
        row(
            f"{GATE}, sqlite full, audit synced",
            shared,
            "global limit in SQLite and chained audit, both survive a power cut",
            *(*full, "--state", sqlite),
        ),
    ]
