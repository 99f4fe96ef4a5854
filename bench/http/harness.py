"""Compiles the C programs and runs the load generator against one row, once. It knows nothing of rounds."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

SOURCES = Path(__file__).parent
PROGRAMS = {"load": "load.c", "echo_http": "echo_http.c", "echo_server": "../stdio/echo_server.c"}


class Row(Struct, frozen=True):
    """One thing to measure: what stands between the load generator and the echo server.

    In `command`, `files` (name → text), `headers` and `path`, `{dir}` is a fresh directory of each run, `{port}` where
    the row must listen, `{upstream}` the echo server's port, `{redis}` a Redis server's, if `redis`. An empty command
    is no process at all. `on` says what is switched on. `records`: a file in the directory with a line or more for each
    call. `workers`: how many processes serve. `light`: not for large frames in
    flight. `rival`: slower by orders of magnitude, in few rounds.
    """

    name: str
    command: tuple[str, ...]
    on: str
    files: tuple[tuple[str, str], ...] = ()
    headers: tuple[str, ...] = ()
    path: str = "/mcp"
    era: str = "modern"
    redis: bool = False
    records: str | None = None
    workers: int = 1
    light: bool = False
    rival: bool = False


class Phase(Struct, frozen=True):
    """`flight` calls under way at a time, frames of `frame_bytes`, for at most `calls` calls or `seconds`."""

    flight: int
    frame_bytes: int
    seconds: float
    calls: int = 200_000


class Cores(Struct, frozen=True):
    """Where the processes run: the gate's tree, and everything else (load generator, server, store)."""

    gate: str
    rest: str

    def __str__(self) -> str:
        if self.gate == self.rest:
            return "one core" if self.gate.isdigit() else f"all on cores {self.gate}"
        return f"gate on core {self.gate}, the rest on core {self.rest}"


class PhaseResult(Struct, frozen=True):
    """What the load generator says of one phase. Latencies and CPU in µs; CPU and PSS are of the gate's tree alone."""

    flight: int
    bytes: int
    frame: int
    calls: int
    p50_us: float
    p99_us: float
    calls_per_s: float
    cpu_us: float
    beside_cpu_us: float
    pss_kb: int
    processes: int


class RunResult(Struct, frozen=True):
    """One start of a row. `ready_ms`: from the start of the process to the answer to `tools/list`."""

    ready_ms: float
    phases: list[PhaseResult]
    asked: int
    reconnects: int
    records: int | None = None


class RowFailedError(Exception):
    """The row did not start, did not answer, or answered something else. The text says which."""


class Harness:
    """The compiled programs and a directory for runs. `close()` removes both."""

    def __init__(self, work_dir: Path) -> None:
        """`work_dir` should be on a real disk: on tmpfs an fsync costs nothing."""
        work_dir.mkdir(parents=True, exist_ok=True)
        self.dir = Path(tempfile.mkdtemp(prefix="http-", dir=work_dir))
        for program, source in PROGRAMS.items():
            subprocess.run(["cc", "-O2", "-o", str(self.program(program)), str(SOURCES / source)], check=True)

    def program(self, name: str) -> Path:
        """The path of a compiled program."""
        return self.dir / name

    def close(self) -> None:
        """Remove everything that was made."""
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(
        self, row: Row, cores: Cores, phases: Sequence[Phase], sessions: int = 0, timeout: int = 60
    ) -> RunResult:
        """Start `row` on `cores` and drive it through `phases`, over `sessions` sessions of the handshake eras if
        any are asked for. Raises RowFailedError.
        """
        place = Path(tempfile.mkdtemp(prefix="row-", dir=self.dir))
        try:
            with ExitStack() as around:
                return self._run(row, cores, phases, sessions, timeout, place, around)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _run(
        self,
        row: Row,
        cores: Cores,
        phases: Sequence[Phase],
        sessions: int,
        timeout: int,
        place: Path,
        around: ExitStack,
    ) -> RunResult:
        known = {"{dir}": str(place), "{upstream}": around.enter_context(self._upstream(cores))}
        known["{port}"] = str(free_port()) if row.command else known["{upstream}"]
        output = place / "output.log"
        words = ["taskset", "-c", cores.rest, str(self.program("load")), "--port", known["{port}"]]
        if row.redis:
            known["{redis}"], store = around.enter_context(_redis(cores, place))
            words += ["--beside", str(store)]

        def filled(text: str) -> str:
            for name, value in known.items():
                text = text.replace(name, value)
            return text

        for name, text in row.files:
            (place / name).write_text(filled(text))
            (place / name).chmod(0o600)
        era = "legacy" if sessions else row.era
        words += ["--path", filled(row.path), "--era", era, "--sessions", str(sessions)]
        words += ["--gate-cores", cores.gate, "--server", str(self.program("echo_server"))]
        words += ["--stderr", str(output), "--timeout", str(timeout)]
        for header in row.headers:
            words += ["--header", filled(header)]
        for phase in phases:
            words += ["--phase", f"{phase.flight}:{phase.frame_bytes}:{phase.calls}:{phase.seconds}"]
        words += ["--", *map(filled, row.command)] if row.command else []
        env = os.environ | {"XDG_STATE_HOME": str(place / "state"), "HOME": str(place)}
        # An installed program has its byte code; without, a start takes a multiple.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RowFailedError(_why(done.stderr, output))
        result = msgspec.json.decode(done.stdout, type=RunResult)
        if row.records:
            with open(place / row.records, "rb") as lines:
                result = msgspec.structs.replace(result, records=sum(1 for _ in lines))
        return result

    @contextmanager
    def _upstream(self, cores: Cores) -> Iterator[str]:
        words = ["taskset", "-c", cores.rest, str(self.program("echo_http"))]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                yield server.stdout.readline().strip()
            finally:
                server.kill()


@contextmanager
def _redis(cores: Cores, place: Path) -> Iterator[tuple[str, int]]:
    """A Redis server in memory alone: its port, and its process."""
    port = str(free_port())
    words = ["taskset", "-c", cores.rest, "redis-server", "--port", port, "--bind", "127.0.0.1"]
    words += ["--save", "", "--appendonly", "no", "--dir", str(place), "--loglevel", "warning"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as server:
        try:
            while not _listens(int(port)):
                if server.poll() is not None:
                    raise RowFailedError("redis-server does not start")
            yield port, server.pid
        finally:
            server.kill()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _why(said_by_load: str, log: Path) -> str:
    """One line: the load generator's complaint and the last thing the row itself said."""
    said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    last = next((line.strip() for line in reversed(said) if "rror" in line), said[-1].strip() if said else "")
    return f"{' '.join(said_by_load.split())[:300]}; its output: {last[:300]!r}"
