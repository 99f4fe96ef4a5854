"""The official conformance suite finds through the gate what it finds directly, check by check."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from tests.conformance import suite
from tests.conformance.suite import Check, Difference, Findings, SuiteRun
from tests.support.nginx_proxy import NginxProxy
from tests.support.node24 import CONFORMANCE
from tests.support.serve_process import ALLOW_ALL, ServeProcess

HERE = Path(__file__).parent
EXPECTED = yaml.safe_load((HERE / "expected_differences.yaml").read_text())
REQUIREMENTS = Path(CONFORMANCE[1]).parents[1] / "requirements"
FIXTURE = [sys.executable, "-W", "ignore", "-m", "tests.conformance.fixture_server"]
CLIENT = [sys.executable, "-W", "ignore", "-m", "tests.conformance.client"]

LEGACY, MODERN = "2025-11-25", "2026-07-28"
VERDICTS = {LEGACY: 84, MODERN: 196}
"""How many checks the fixture passes; fewer would mean that the comparison has become emptier."""

CLIENT_SCENARIOS = {
    LEGACY: [
        "initialize",
        "tools_call",
        "elicitation-sep1034-client-defaults",
        "sse-retry",
        "json-schema-2020-12-preservation",
    ],
    MODERN: [
        "tools_call",
        "request-metadata",
        "sep-2322-client-request-state",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ],
}

TRIES = 3
"""Some scenarios give an answer half a second; on a busy machine that can be missed on either side. A scenario that
differs, or that fails directly, is looked at again alone."""


@contextmanager
def fixture(*words: str) -> Iterator[str]:
    """The fixture; the line in which it says where it is."""
    process = subprocess.Popen([*FIXTURE, *words], stdout=subprocess.PIPE, cwd=suite.ROOT)
    assert process.stdout is not None
    with process, process.stdout:
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


@contextmanager
def fixture_server() -> Iterator[str]:
    """The fixture over HTTP; its URL."""
    with fixture("--port", "0") as port:
        yield f"http://127.0.0.1:{port}/mcp"


def agree(
    run: str, first: tuple[Findings, Findings], again: Callable[[str], tuple[Findings, Findings]]
) -> None:
    """Both sides say the same but for what is expected of `run`; a scenario that differs is run `again`."""
    direct, through = first
    for _ in range(1, TRIES):
        doubtful = {difference.scenario for difference in unexpected(run, direct, through)}
        for scenario in doubtful | {scenario for scenario, _ in bad(direct)}:
            for findings, fresh in zip((direct, through), again(scenario), strict=True):
                findings.update(fresh)
    left = unexpected(run, direct, through)
    assert not left, "\n".join(f"{difference.scenario}: {difference.text}" for difference in left)
    seen = {(difference.scenario, difference.check) for difference in suite.differences(direct, through)}
    gone = [entry for entry in expected(run) if (entry["scenario"], entry["check"]) not in seen]
    scenarios = direct.keys()
    assert not [entry for entry in gone if entry["scenario"] in scenarios], f"no longer different: {gone}"


def expected(run: str) -> list[dict[str, Any]]:
    """The differences that the file lists for a run."""
    return [entry for entry in EXPECTED["differences"] if entry["run"] == run]


def unexpected(run: str, direct: Findings, through: Findings) -> list[Difference]:
    """The differences that it does not list."""
    listed = {(entry["scenario"], entry["check"]) for entry in expected(run)}
    return [
        difference
        for difference in suite.differences(direct, through)
        if (difference.scenario, difference.check) not in listed
    ]


def side_by_side(direct: SuiteRun, through: SuiteRun) -> tuple[Findings, Findings]:
    """Two runs that have been begun."""
    try:
        return direct.findings(), through.findings()
    finally:
        direct.stop()
        through.stop()


def passed(findings: Findings) -> int:
    """How many checks succeeded; fails if one did not."""
    assert not bad(findings), bad(findings)
    return sum(check.status == "SUCCESS" for checks in findings.values() for check in checks)


def bad(findings: Findings) -> list[tuple[str, Check]]:
    """The checks that the suite is not content with, by scenario."""
    verdicts = [(scenario, check) for scenario, checks in findings.items() for check in checks]
    return [(scenario, check) for scenario, check in verdicts if check.status in ("FAILURE", "WARNING")]


def compare_servers(run: str, revision: str, folder: Path, direct: str, through: str) -> Findings:
    """What is at one URL against what is at another; returns what was found directly."""
    first = side_by_side(
        suite.against_server(folder / "direct", direct, revision),
        suite.against_server(folder / "through", through, revision),
    )
    count = 0

    def again(scenario: str) -> tuple[Findings, Findings]:
        nonlocal count
        count += 1
        return side_by_side(
            suite.one_against_server(folder / f"direct-{count}", direct, revision, scenario),
            suite.one_against_server(folder / f"through-{count}", through, revision, scenario),
        )

    agree(run, first, again)
    return first[0]


@pytest.mark.parametrize("revision", [LEGACY, MODERN])
def test_a_server_behind_the_gate_is_as_conforming_as_it_is(tmp_path: Path, revision: str) -> None:
    with fixture_server() as url, ServeProcess(tmp_path / "gate", {"fixture": {"url": url}}) as gate:
        found = compare_servers(f"server {revision}", revision, tmp_path, url, gate.url("fixture"))
    assert passed(found) >= VERDICTS[revision]


@pytest.mark.parametrize("revision", [LEGACY, MODERN])
def test_a_server_behind_two_gates_in_turns_is_as_conforming_as_it_is(tmp_path: Path, revision: str) -> None:
    settings = {"sessions": {"secret": {"env": "SESSION_SECRET"}}}
    env = {"SESSION_SECRET": "shared by the two of them, 32 bytes or more"}
    with fixture_server() as url:
        servers = {"fixture": {"url": url}}
        with (
            ServeProcess(tmp_path / "gate-1", servers, settings=settings, env=env) as one,
            ServeProcess(tmp_path / "gate-2", servers, settings=settings, env=env) as other,
            NginxProxy(tmp_path / "nginx", [one.base, other.base]) as balancer,
        ):
            compare_servers(f"server {revision}", revision, tmp_path, url, balancer.url("fixture"))


@pytest.mark.parametrize("revision", [LEGACY, MODERN])
def test_a_stdio_server_behind_the_gate_is_as_conforming_as_over_http(tmp_path: Path, revision: str) -> None:
    with (
        # The path of a socket must be short.
        TemporaryDirectory() as folder,
        fixture_server() as url,
        fixture("--children", f"{folder}/socket") as path,
    ):
        child = {"command": [sys.executable, "-I", "-S", str(HERE / "fixture_child.py"), path]}
        with ServeProcess(tmp_path / "gate", {"fixture": child}) as gate:
            compare_servers(f"stdio server {revision}", revision, tmp_path, url, gate.url("fixture"))


@pytest.mark.parametrize(
    ("revision", "scenario"),
    [(revision, scenario) for revision, scenarios in CLIENT_SCENARIOS.items() for scenario in scenarios],
)
def test_a_stdio_agent_behind_the_gate_is_as_conforming_as_over_http(
    tmp_path: Path, revision: str, scenario: str
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(ALLOW_ALL)
    count = 0

    def both(scenario: str) -> tuple[Findings, Findings]:
        nonlocal count
        count += 1
        through = [*CLIENT, "--through", str(policy)]
        return side_by_side(
            suite.against_client(tmp_path / f"direct-{count}", CLIENT, revision, scenario),
            suite.against_client(tmp_path / f"through-{count}", through, revision, scenario),
        )

    first = both(scenario)
    agree(f"client {revision}", first, both)
    assert passed(first[0])


@pytest.mark.parametrize("revision", [LEGACY, MODERN])
def test_every_client_scenario_is_compared_or_has_a_reason_not_to_be(revision: str) -> None:
    required = yaml.safe_load((REQUIREMENTS / f"{revision}.yaml").read_text())
    scenarios = {*required["client"]} | {
        entry["scenario"] for entry in required["not_scored"] if entry["leg"] == "client"
    }
    patterns = [entry["scenarios"] for entry in EXPECTED["not_applicable"]]
    left = {name for name in scenarios if not any(fnmatch(name, pattern) for pattern in patterns)}
    assert left == set(CLIENT_SCENARIOS[revision])
