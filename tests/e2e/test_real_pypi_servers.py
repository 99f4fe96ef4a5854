"""Servers written with the official Python SDK through the gate, in both eras of the protocol."""

import functools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mcp import Client
from tests.support.real_traffic import (
    assert_as_direct,
    assert_untouched,
    both,
    call_each,
    decoded,
    list_everything,
    pypi_server,
    record,
    settle,
)

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.parametrize("mode", ["legacy", "auto"])]

VERSIONS = {"legacy": "2025-11-25", "auto": "2026-07-28"}


def test_server_time_is_as_it_is_without_the_gate(tmp_path: Path, mode: str) -> None:
    async def scenario(client: Client) -> None:
        assert client.protocol_version == VERSIONS[mode]
        await list_everything(client)
        noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Kathmandu"}
        await call_each(
            client,
            [
                ("get_current_time", {"timezone": "Europe/Warsaw"}),
                ("convert_time", noon),
                ("convert_time", {**noon, "time": "25:00"}),
                ("get_current_time", {}),
                ("no_such_tool", {"x": 1.0}),
            ],
        )

    direct, through = both(scenario, pypi_server("time"), tmp_path / "x", mode=mode)
    assert_untouched(through)
    assert_as_direct(direct, through)


def test_server_git_is_as_it_is_without_the_gate(tmp_path: Path, mode: str) -> None:
    repository = tmp_path / "repository"

    async def scenario(client: Client) -> None:
        assert client.protocol_version == VERSIONS[mode]
        remake(repository)
        where = {"repo_path": str(repository)}
        await list_everything(client)
        await call_each(
            client,
            [
                ("git_status", where),
                ("git_diff_unstaged", where),
                ("git_add", {**where, "files": ["b.txt"]}),
                ("git_diff_staged", where),
                ("git_log", {**where, "max_count": 1}),
                ("git_show", {**where, "revision": "HEAD"}),
                ("git_create_branch", {**where, "branch_name": "other"}),
                ("git_branch", {**where, "branch_type": "local"}),
                ("git_status", {"repo_path": "/"}),
                ("git_log", {}),
            ],
        )

    direct, through = both(scenario, pypi_server("git"), tmp_path / "x", mode=mode)
    assert_untouched(through)
    assert_as_direct(direct, through)


def test_only_what_the_policy_forbids_is_different(tmp_path: Path, mode: str) -> None:
    repository = tmp_path / "repository"
    policy = """
hide: [git_reset, git_checkout]
tools:
  git_log: {rules: [{rate_limit: 1/hour}]}
  git_add: {rules: [{validate: {required_args: true}}]}
  git_commit: {rules: [{action: deny, reason: Ask a person.}]}
"""

    async def scenario(client: Client) -> None:
        assert client.protocol_version == VERSIONS[mode]
        remake(repository)
        where = {"repo_path": str(repository)}
        await list_everything(client)
        await call_each(
            client,
            [
                ("git_log", where),
                ("git_log", where),
                ("git_add", where),
                ("git_commit", {**where, "message": "x"}),
                ("git_reset", where),
                ("git_resat", where),
                ("git_status", where),
            ],
        )
        await settle(functools.partial(client.list_tools))

    through = record(scenario, pypi_server("git"), tmp_path / "x", policy, mode=mode)
    reached = [
        frame["params"]["name"] for frame in decoded(through.server_got) if frame["method"] == "tools/call"
    ]
    assert reached[0] == "git_log"
    assert reached[-2:] == ["git_resat", "git_status"]
    assert len(reached) == 4
    assert "git_reset" not in reached
    answers = [
        frame for frame in decoded(through.agent_got) if "result" in frame and "content" in frame["result"]
    ]
    said = [answer["result"]["content"][0]["text"] for answer in answers]
    assert "rate limit 1 in" in said[1]
    assert "`files`" in said[2]
    assert said[3] == "denied by policy: Ask a person."
    hidden, unknown = (
        {**json.loads(line), "id": None} for line in through.agent_got if re.search(rb"git_res[ea]t", line)
    )
    assert str(hidden).replace("git_reset", "git_resat") == str(unknown)
    codes = [answer["result"].get("structuredContent", {}).get("code") for answer in answers]
    assert codes == [None, "DEN020", "DEN004", "DEN001", None]
    lists = [frame["result"] for frame in decoded(through.agent_got) if "tools" in frame.get("result", {})]
    assert len(lists) == 2
    for page in lists:
        names = {tool["name"] for tool in page["tools"]}
        assert "git_status" in names
        assert not names & {"git_reset", "git_checkout"}
        if mode != "legacy":
            assert page["cacheScope"] == "private"
            assert page["ttlMs"] <= 30_000
    untouched = [line for line in through.server_sent if b'"tools":[' not in line and b"unknown-" not in line]
    assert set(untouched) <= set(through.agent_got)


def remake(repository: Path) -> None:
    """A repository that is the same to the byte every time."""

    shutil.rmtree(repository, ignore_errors=True)
    repository.mkdir()
    (repository / "a.txt").write_text("one\n")
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    dates = {
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
        "HOME": "/",
    }
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=repository, check=True, env=dates | {"PATH": "/usr/bin:/bin"})
    (repository / "a.txt").write_text("one\ntwo\n")
    (repository / "b.txt").write_text("three\n")
