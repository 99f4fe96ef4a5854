"""`callgate serve` as a real process: its file and policies are written, its port is chosen by the system."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
READY = re.compile(r"listening on \S*?(https?://[^\s\"']+)")

ALLOW_ALL = "default: allow\n"


class ServeProcess:
    """One `callgate serve`. Use it as a context manager: whatever happens, nothing is left running.

    servers: the `servers` of the file by name; one without `policy` gets the policy that allows everything.
    settings: the rest of the file. policies: further files to write beside it, by file name ("git.yaml").
    options: further arguments of the command line. `folder` is made if it is not there; two gates need two.
    prefix: a command that starts the gate, given the gate's own behind it.
    """

    def __init__(
        self,
        folder: Path,
        servers: Mapping[str, Mapping[str, Any]],
        *options: str,
        settings: Mapping[str, Any] | None = None,
        policies: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        port: int = 0,
        log_format: str | None = "json",
        wait: bool = True,
        prefix: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        for name, text in {"allow-all.yaml": ALLOW_ALL, **(policies or {})}.items():
            (folder / name).write_text(text)
        self.config = folder / "callgate.yaml"
        self.write_config(servers, settings)
        self.command = [
            *prefix,
            sys.executable,
            "-m",
            "callgate",
            "serve",
            "-c",
            str(self.config),
            "--port",
            str(port),
        ]
        if log_format is not None:
            self.command += ["--log-format", log_format]
        self.process = subprocess.Popen(
            [*self.command, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            # What the gate keeps when nothing is said of `state` stays with it.
            env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), **(env or {})},
        )
        assert self.process.stderr is not None
        self._lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        self.base = ""
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                self.kill()
                raise

    def write_config(
        self, servers: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any] | None = None
    ) -> None:
        """Write `callgate.yaml` anew, as a whole (JSON is YAML)."""
        content = {
            **(settings or {}),
            "servers": {name: {"policy": "allow-all.yaml", **server} for name, server in servers.items()},
        }
        replacement = self.config.with_suffix(".new")
        replacement.write_text(json.dumps(content, indent=1))
        replacement.replace(self.config)

    def write_policy(self, name: str, text: str) -> None:
        """Replace a policy file in one step."""
        replacement = self.folder / f"{name}.new"
        replacement.write_text(text)
        replacement.replace(self.folder / name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            self.stop()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self._lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def stderr(self) -> str:
        """What the gate has said so far."""
        with self._news:
            return "\n".join(self._lines)

    def log(self) -> list[dict[str, Any]]:
        """The JSON lines among what the gate has said so far."""
        with self._news:
            return [json.loads(line) for line in self._lines if line.startswith("{")]

    def wait_for_line(self, wanted: Callable[[str], bool], patience: float = PATIENCE_SECONDS) -> str:
        """The first line on stderr, from the beginning, that is `wanted`; fails if none comes."""
        end = time.monotonic() + patience
        seen = 0
        with self._news:
            while True:
                for line in self._lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self._lines)
                left = end - time.monotonic()
                if self._ended or left <= 0 or not self._news.wait(left):
                    raise AssertionError("no such line; stderr:\n" + "\n".join(self._lines))

    def wait_ready(self) -> None:
        """Wait until the gate says where it listens."""
        found = READY.search(self.wait_for_line(lambda line: READY.search(line) is not None))
        assert found is not None
        self.base = found.group(1).rstrip("/")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.base.rsplit(":", 1)[1])

    def url(self, name: str) -> str:
        """The MCP endpoint of a server."""
        return f"{self.base}/{name}/mcp"

    def fetch(self, path: str) -> str:
        """GET a page of the gate itself; urllib.error.HTTPError for a status that is none of success."""
        with urllib.request.urlopen(self.base + path, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
            text: str = answer.read().decode()
        return text

    def metrics(self) -> str:
        """`/metrics` as text."""
        return self.fetch("/metrics")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples called `name` that carry `labels`; 0 if there is none."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.metrics())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def stop(self, patience: float = PATIENCE_SECONDS) -> int:
        """SIGTERM, then wait. Returns the exit status; AssertionError (and SIGKILL) if it does not end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"still running {patience} s after SIGTERM; stderr:\n{self.stderr}"
            ) from None
        self._reader.join(patience)
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_SECONDS)

    def wait(self, patience: float = PATIENCE_SECONDS) -> int:
        """Wait until it ends by itself; the exit status."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {patience} s; stderr:\n{self.stderr}") from None
        self._reader.join(patience)
        return self.process.returncode
