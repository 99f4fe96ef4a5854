"""Scripts that get work done through real servers: the npm file system server, and mcp-server-git."""

import subprocess
from pathlib import Path

import pytest
from real_runner import NODE_BIN, VENV_BIN, Home, over_stdio, run

SCRIPT = """
import json
log = mcp_Git_git_log(repo_path=repo, max_count=10)
lines = log if isinstance(log, list) else str(log).splitlines()
subjects = [line.split("Message:", 1)[1].strip().strip("'") for line in lines if "Message:" in line]
diff = mcp_Git_git_diff(repo_path=repo, target="HEAD~1")
added = [line[1:] for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
status = mcp_Git_git_status(repo_path=repo)
before = mcp_Files_read_text_file(path=f"{repo}/plants.txt")["content"]
report = "\\n".join(["# Report", *(f"* {subject}" for subject in subjects), "", *added, ""])
mcp_Files_write_file(path=f"{repo}/report.md", content=report)
written = mcp_Files_read_text_file(path=f"{repo}/report.md")["content"] == report
names = mcp_Files_list_directory(path=repo)["content"].splitlines()
"""
OUTPUT = {
    "subjects": "list[str]",
    "added": "list[str]",
    "before": "str",
    "written": "bool",
    "names": "list[str]",
    "status": "str",
}


def _git(folder: Path, *words: str) -> None:
    names = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *names, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    _git(folder, "init")
    for text, subject in (("rose\n", "Plant a rose"), ("rose\nfern\nivy — climbing\n", "Plant two more")):
        (folder / "plants.txt").write_text(text)
        _git(folder, "add", ".")
        _git(folder, "commit", "-m", subject)
    return folder


def test_a_script_reads_a_repository_and_writes_a_report_through_two_servers(
    tmp_path: Path, repo: Path
) -> None:
    servers = {
        "Files": {"command": [str(NODE_BIN / "mcp-server-filesystem"), str(repo)], "policy": "files.yaml"},
        "Git": {
            "command": [str(VENV_BIN / "mcp-server-git"), "--repository", str(repo)],
            "policy": "git.yaml",
        },
    }
    policies = {
        "files.yaml": "default: deny\ntools: {'read_*': {rules: [{action: allow}]}, "
        "'list_*': {rules: [{action: allow}]}, "
        "write_file: {rules: [{validate: {args: {path: {pattern: '\\.md$'}}}}]}}\n",
        "git.yaml": "tools: {git_commit: {rules: [{action: deny}]}}\n",
    }
    home = Home(tmp_path / "home", servers, policies=policies)

    async def main() -> None:
        async with over_stdio(home, home.runner()) as agent:
            found = await agent.told("searchTools", query="git log")
            assert "mcp_Git_git_log" in [each["name"] for each in found["tools"]]
            results = await agent.completed(
                SCRIPT,
                input_vars={"repo": str(repo)},
                output_vars=OUTPUT,
                mcp_server_names=["Files", "Git"],
                required_tools=["mcp_Files_write_file", "mcp_Git_git_diff"],
            )
            assert results["subjects"] == ["Plant two more", "Plant a rose"]
            assert results["added"] == ["fern", "ivy — climbing"]
            assert results["before"] == "rose\nfern\nivy — climbing\n"
            assert "clean" in results["status"]
            assert results["written"] is True
            assert "[FILE] report.md" in results["names"]
            expected = "# Report\n* Plant two more\n* Plant a rose\n\nfern\nivy — climbing\n"
            assert (repo / "report.md").read_text() == expected
            told = await agent.executed(
                "mcp_Git_git_commit(repo_path=repo, message='no')", input_vars={"repo": str(repo)}
            )
            assert (told["status"], told["error"]["type"]) == ("failed", "callgate.ToolDenied")
            told = await agent.executed(
                "mcp_Files_write_file(path=repo + '/evil.sh', content='x')", input_vars={"repo": str(repo)}
            )
            assert (told["status"], told["error"]["type"]) == ("failed", "callgate.ToolDenied")
            assert not (repo / "evil.sh").exists()

    run(main)
