"""Compiles the C programs and runs the load generator against one row, once. It knows nothing of rounds."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

SOURCES = Path(__file__).parent
PROGRAMS = ("relay", "echo_server", "load")


class Row(Struct, frozen=True):
    """One thing to measure: the command that stands between the load generator and the echo server.

    `{dir}` in `command` and `env` is a fresh directory of each run, which is also the working directory.
    `on` says what is switched on. `records`: a file in that directory with a line or more for each call.
    """

    name: str
    command: tuple[str, ...]
    on: str
    env: tuple[tuple[str, str], ...] = ()
    records: str | None = None
    count_refusals: bool = False


class Phase(Struct, frozen=True):
    """`flight` calls under way at a time, frames of `frame_bytes`, for at most `calls` calls or `seconds`."""

    flight: int
    frame_bytes: int
    seconds: float
    calls: int = 300_000

    @property
    def key(self) -> str:
        return f"{self.flight}x{self.frame_bytes}"


class PhaseResult(Struct, frozen=True):
    """What the load generator says of one phase. Latencies and CPU in µs; PSS of the tree less the server."""

    flight: int
    bytes: int
    frame: int
    calls: int
    p50_us: float
    p99_us: float
    calls_per_s: float
    cpu_us: float
    server_cpu_us: float
    pss_kb: int
    processes: int


class RunResult(Struct, frozen=True):
    """One start of a row. `ready_ms`: from the start of the process to the answer to `tools/list`."""

    ready_ms: float
    phases: list[PhaseResult]
    asked: int = 0
    refused: int = 0
    records: int | None = None


class RowFailedError(Exception):
    """The row did not start, did not answer, or answered something else. The text says which."""


class Harness:
    """The compiled programs and a directory for runs. `close()` removes both."""

    def __init__(self, work_dir: Path) -> None:
        """`work_dir` should be on a real disk: on tmpfs an fsync costs nothing."""
        work_dir.mkdir(parents=True, exist_ok=True)
        self.dir = Path(tempfile.mkdtemp(prefix="run-", dir=work_dir))
        for program in PROGRAMS:
            source = str(SOURCES / f"{program}.c")
            subprocess.run(["cc", "-O2", "-o", str(self.program(program)), source], check=True)

    def program(self, name: str) -> Path:
        """The path of a compiled program."""
        return self.dir / name

    def close(self) -> None:
        """Remove everything that was made."""
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, row: Row, cpus: str, phases: Sequence[Phase] = (), era: str = "legacy") -> RunResult:
        """Start `row` on the cores `cpus` and drive it through `phases` (none: launch only).

        Raises RowFailedError.
        """
        place = Path(tempfile.mkdtemp(prefix="row-", dir=self.dir))
        try:
            return self._run(row, cpus, phases, era, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _run(self, row: Row, cpus: str, phases: Sequence[Phase], era: str, place: Path) -> RunResult:
        stderr = place / "stderr.log"
        words = ["taskset", "-c", cpus, str(self.program("load")), "--era", era]
        words += ["--server", str(self.program("echo_server")), "--stderr", str(stderr)]
        words += ["--count-refusals"] if row.count_refusals else []
        for phase in phases:
            words += ["--phase", f"{phase.flight}:{phase.frame_bytes}:{phase.calls}:{phase.seconds}"]
        words += [] if phases else ["--launch"]
        words += ["--", *(word.replace("{dir}", str(place)) for word in row.command)]
        env = os.environ | {"XDG_STATE_HOME": str(place / "state"), "HOME": str(place)}
        # An installed program has its byte code; without, a start takes a multiple.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        env |= {name: value.replace("{dir}", str(place)) for name, value in row.env}
        done = subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RowFailedError(_why(done.stderr, stderr))
        result = msgspec.json.decode(done.stdout, type=RunResult)
        if row.records and phases:
            with open(place / row.records, "rb") as lines:
                result = msgspec.structs.replace(result, records=sum(1 for _ in lines))
        return result


def _why(said_by_load: str, log: Path) -> str:
    """One line: the load generator's complaint and the last thing the row itself said."""
    said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    last = next((line.strip() for line in reversed(said) if "rror" in line), said[-1].strip() if said else "")
    return f"{' '.join(said_by_load.split())[:300]}; its stderr: {last[:300]!r}"
