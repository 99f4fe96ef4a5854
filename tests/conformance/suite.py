"""Runs the official conformance suite and reads what it has found."""

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from msgspec import Struct
from tests.support.node24 import CONFORMANCE

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 150.0
CLIENT_TIMEOUT_MS = "60000"

STARTED_AT = re.compile(r"-\d{4}-\d\d-\d\dT[\d-]+Z$")
RANDOM = (
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), "<host>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
)


class Check(Struct, frozen=True):
    """One verdict of the suite; `error` is without what is different every time."""

    id: str
    name: str
    status: str
    error: str | None


Findings = dict[str, list[Check]]
"""By scenario, in the order in which the suite looked."""


class SuiteRun:
    """One run of the suite that goes on in the background."""

    def __init__(self, folder: Path, side: str, *words: str) -> None:
        self.folder = folder
        self._side = side
        folder.mkdir(parents=True)
        with open(folder / "log.txt", "wb") as log:
            self._process = subprocess.Popen(
                [*CONFORMANCE, side, *words, "--output-dir", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    def findings(self) -> Findings:
        """Wait for its end and read the findings. A scenario that could not be begun has none: AssertionError."""
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"the suite does not end: {self.log()}") from None
        found = {}
        for path in sorted(self.folder.glob("*/checks.json")):
            scenario = STARTED_AT.sub("", path.parent.name)
            if self._side == "server":
                scenario = scenario.removeprefix("server-")
            checks = json.loads(path.read_text())
            # INFO is the suite's log of what went to and fro: no verdict, and not the same twice.
            found[scenario] = [read(check) for check in checks if check["status"] != "INFO"]
        assert found, self.log()
        return found

    def stop(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        """What the suite has said."""
        return (self.folder / "log.txt").read_text(errors="replace")


def read(check: dict[str, Any]) -> Check:
    """One entry of a `checks.json`."""
    error = check.get("errorMessage")
    for pattern, name in RANDOM:
        error = pattern.sub(name, error) if error else error
    return Check(check["id"], check["name"], check["status"], error)


def against_server(folder: Path, url: str, revision: str) -> SuiteRun:
    """Every scenario that `revision` requires of a server, and those that it only reports (tasks among them)."""
    return SuiteRun(folder, "server", "--url", url, "--requirements", revision)


def one_against_server(folder: Path, url: str, revision: str, scenario: str) -> SuiteRun:
    """One scenario alone."""
    return SuiteRun(
        folder, "server", "--url", url, "--scenario", scenario, "--spec-version", revision, "--force"
    )


def against_client(folder: Path, command: Sequence[str], revision: str, scenario: str) -> SuiteRun:
    """One scenario of a server that looks at the client which `command` starts."""
    words = ["--command", shlex.join(command), "--timeout", CLIENT_TIMEOUT_MS]
    return SuiteRun(folder, "client", *words, "--scenario", scenario, "--spec-version", revision)


class Difference(Struct, frozen=True):
    """A check whose verdict is not the same directly and through the gate."""

    scenario: str
    check: str
    text: str


def differences(direct: Findings, through: Findings) -> list[Difference]:
    """Every check that is not the same, in order."""
    found = []
    for scenario in sorted(direct.keys() | through.keys()):
        pairs = zip_longest(direct.get(scenario, []), through.get(scenario, []))
        for ours, theirs in pairs:
            if ours != theirs:
                text = f"direct {_shown(ours)}, through {_shown(theirs)}"
                found.append(Difference(scenario, (ours or theirs).id, text))
    return found


def _shown(check: Check | None) -> str:
    if check is None:
        return "nothing"
    return f"{check.id}/{check.name} {check.status}" + (f" ({check.error})" if check.error else "")
