"""The runner beside what others wrote: the official conformance suite, and the official TypeScript client."""

import json
import subprocess
from pathlib import Path

import pytest
from runner_programs import PROGRAM, http_runner
from tests.conformance import suite

TS_CLIENT = Path(__file__).parents[2] / "support" / "ts_client.mjs"

SCENARIOS = {
    "2025-11-25": [
        "dns-rebinding-protection",
        "ping",
        "server-initialize",
        "server-session-lifecycle",
        "server-sse-multiple-streams",
        "tools-list",
    ],
    "2026-07-28": [
        "dns-rebinding-protection",
        "http-header-validation",
        "input-required-result-unsupported-methods",
        "input-required-result-validate-input",
        "server-sse-multiple-streams",
        "tools-list",
    ],
}
"""Those that need nothing that the runner does not have, such as prompts or the suite's own tools."""


@pytest.mark.parametrize("revision", sorted(SCENARIOS))
def test_the_conformance_suite_finds_nothing_wrong_with_what_there_is(tmp_path: Path, revision: str) -> None:
    with http_runner() as it:
        found = suite.against_server(tmp_path / "suite", it.url, revision).findings()
    for scenario in SCENARIOS[revision]:
        assert {check.status for check in found[scenario]} == {"SUCCESS"}, found[scenario]


def test_the_typescript_client_finds_every_answer_as_the_tools_say_that_it_is() -> None:
    calls = [
        ("executeCode", {"script": "return 5"}, False),
        ("executeCode", {"script": "raise"}, True),
        ("executeCode", {"script": "doubt"}, True),
        ("executeCode", {"scrpt": "x"}, True),
        ("asyncExecuteCode", {"script": "wait"}, False),
        ("checkCodeExecStatus", {"execution_uuid": "7b0c0a52-32fb-4e46-9a7c-3ba1c6a9b3dd"}, True),
        ("listCodeExecutions", {}, False),
        ("searchTools", {"query": "git"}, False),
        ("getToolDetails", {"names": ["mcp_Git_log", "mcp_Git_lag"]}, False),
    ]
    given = json.dumps([{"name": name, "arguments": arguments} for name, arguments, _ in calls])
    run = subprocess.run(
        ["node", str(TS_CLIENT), given, *PROGRAM, "stdio"], capture_output=True, check=True, timeout=60
    )
    outcomes = json.loads(run.stdout)["calls"]
    assert [each["result"].get("isError", False) for each in outcomes] == [failed for _, _, failed in calls]
