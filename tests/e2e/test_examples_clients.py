"""The snippets for MCP clients: each is read as its client reads it, and what it names is started and spoken to."""

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from example_files import CALLGATE, EXAMPLES, http_client, new_key, write_keys
from mcp import Client, StdioServerParameters
from mcp.client.stdio import get_default_environment, stdio_client
from tests.support.http_servers import sdk_server
from tests.support.real_traffic import NODE_BIN
from tests.support.serve_process import ServeProcess

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("examples-clients")]

FOLDER = EXAMPLES / "clients"
FILES = {
    "claude-desktop": "claude_desktop_config.json",
    "claude-code": ".mcp.json",
    "cursor": "mcp.json",
    "vscode": "mcp.json",
}
VARIABLES = {
    # Claude Desktop takes every text as it stands.
    "claude-desktop": None,
    "claude-code": re.compile(r"\$\{([A-Z_]+)\}"),
    "cursor": re.compile(r"\$\{env:([A-Z_]+)\}"),
    "vscode": re.compile(r"\$\{input:([a-z-]+)\}"),
}
NPX = ["npx", "-y", "@modelcontextprotocol/server-filesystem"]


class Surroundings:
    """Where the snippets find what they name. `places` maps what is in them to what is here."""

    def __init__(self, folder: Path, gate: ServeProcess, docs_token: str, team_key: str) -> None:
        self.folder = folder
        self.places = {
            "/home/me/callgate/bin/callgate": str(CALLGATE),
            "/home/me/.config/callgate": str(folder / "config"),
            "/home/me/projects": str(folder / "projects"),
            "https://docs.example.com/mcp": gate.url("docs"),
            "https://gate.example.com/files/mcp": gate.url("files"),
        }
        self.secrets = {
            "DOCS_TOKEN": docs_token,
            "CALLGATE_KEY": team_key,
            "docs-token": docs_token,
            "callgate-key": team_key,
        }

    def resolved(self, client: str, text: str) -> str:
        """`text` as the client would use it, here."""
        for place, here in self.places.items():
            text = text.replace(place, here)
        pattern = VARIABLES[client]
        if pattern is not None:
            text = pattern.sub(lambda found: self.secrets[found[1]], text)
        assert "${" not in text
        assert "/home/me" not in text
        return text


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """A gate that asks for keys, with two servers behind it; files where the snippets look for them."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "config").mkdir()
    (folder / "projects").mkdir()
    for policy in FOLDER.glob("*.yaml"):
        shutil.copy(policy, folder / "config")
    (docs_token, docs_entry), (team_key, team_entry) = new_key("docs"), new_key("me")
    write_keys(folder / "keys.yaml", docs_entry, team_entry)
    (folder / "config/docs-token").write_text(docs_token + "\n")
    (folder / "config/team-key").write_text(team_key + "\n")
    only = {
        "docs.yaml": "default: deny\ntools: {add: {rules: [{action: allow, when: {identity: 'key:docs'}}]}}\n",
        "files.yaml": "default: deny\ntools: {add: {rules: [{action: allow, when: {identity: 'key:me'}}]}}\n",
    }
    with sdk_server() as url:
        servers = {name: {"url": url, "policy": f"{name}.yaml"} for name in ("docs", "files")}
        settings = {"auth": {"keys": str(folder / "keys.yaml")}, "state": "memory://"}
        with ServeProcess(folder / "gate", servers, settings=settings, policies=only) as gate:
            yield Surroundings(folder, gate, docs_token, team_key)


def servers_of(client: str) -> dict[str, Any]:
    """The servers of a client's snippet."""
    content = json.loads((FOLDER / client / FILES[client]).read_text())
    (key,) = content.keys() - {"inputs"}
    assert key == ("servers" if client == "vscode" else "mcpServers")
    found: dict[str, Any] = content[key]
    assert set(found) == {"files", "docs", "team"}
    return found


def connected(client: str, name: str, here: Surroundings) -> AbstractAsyncContextManager[Client]:
    """A connection to a server of the snippet, made as the client would make it."""
    server = servers_of(client)[name]
    kind = server.get("type", "stdio" if "command" in server else "http")
    if kind == "http":
        assert server.keys() <= {"type", "url", "headers"}
        headers = {key: here.resolved(client, text) for key, text in server["headers"].items()}
        return http_client(here.resolved(client, server["url"]), headers)
    assert kind == "stdio"
    assert server.keys() <= {"type", "command", "args", "env"}
    arguments = [here.resolved(client, word) for word in server["args"]]
    if arguments[-4:-1] == NPX:
        arguments[-4:-1] = [str(NODE_BIN / "mcp-server-filesystem")]
    given = {key: here.resolved(client, text) for key, text in server.get("env", {}).items()}
    environment = {
        **get_default_environment(),
        "XDG_STATE_HOME": str(here.folder / f"state-{client}-{name}"),
        **given,
    }
    command = here.resolved(client, server["command"])
    return Client(stdio_client(StdioServerParameters(command=command, args=arguments, env=environment)))


@pytest.mark.parametrize("client", FILES)
def test_a_server_on_this_machine_is_guarded(client: str, surroundings: Surroundings) -> None:
    projects = surroundings.folder / "projects"

    async def converse() -> None:
        async with connected(client, "files", surroundings) as session:
            assert "move_file" not in {tool.name for tool in (await session.list_tools()).tools}
            note, script = str(projects / f"{client}.md"), str(projects / f"{client}.sh")
            written = await session.call_tool("write_file", {"path": note, "content": "Buy soil."})
            refused = await session.call_tool("write_file", {"path": script, "content": "rm -rf ~"})
            assert (written.is_error, refused.is_error) == (False, True)

    anyio.run(converse)
    assert (projects / f"{client}.md").read_text() == "Buy soil."
    assert not (projects / f"{client}.sh").exists()


@pytest.mark.parametrize("client", FILES)
def test_a_server_elsewhere_is_guarded_and_gets_its_token(client: str, surroundings: Surroundings) -> None:
    async def converse() -> None:
        async with connected(client, "docs", surroundings) as session:
            added = await session.call_tool("add", {"a": 1, "b": 2})
            refused = await session.call_tool("delete_page", {})
        assert not added.is_error, added
        assert refused.is_error
        assert "Ask a person" in str(refused.content)

    anyio.run(converse)


@pytest.mark.parametrize("client", FILES)
def test_a_gate_of_the_team_knows_the_caller_by_the_key(client: str, surroundings: Surroundings) -> None:
    async def converse() -> None:
        async with connected(client, "team", surroundings) as session:
            added = await session.call_tool("add", {"a": 1, "b": 2})
            refused = await session.call_tool("echo", {"text": "x"})
        assert not added.is_error, added
        assert refused.is_error

    anyio.run(converse)


def test_visual_studio_code_asks_for_exactly_the_secrets_that_are_used() -> None:
    text = (FOLDER / "vscode/mcp.json").read_text()
    inputs = json.loads(text)["inputs"]
    assert {each["id"] for each in inputs} == set(re.findall(r"\$\{input:([a-z-]+)\}", text))
    assert all(each["type"] == "promptString" and each["password"] is True for each in inputs)


def test_the_command_lines_for_claude_code_say_what_its_file_says() -> None:
    block = re.findall(r"^claude mcp add .*$", (FOLDER / "README.md").read_text(), re.M)
    servers = servers_of("claude-code")
    assert len(block) == len(servers)
    for line in block:
        words = shlex.split(line)
        assert words[3:5] == ["--scope", "user"]
        if "--transport" in words:
            transport, name, url, flag, header = words[6:]
            server = servers[name]
            assert (transport, url, flag) == (server["type"], server["url"], "--header")
            assert header == "Authorization: " + server["headers"]["Authorization"]
            continue
        split = words.index("--")
        server = servers[words[5]]
        assert words[split + 1 :] == [server["command"], *server["args"]]
        given = [f"{name}={text}" for name, text in server.get("env", {}).items()]
        assert [word for word in words[6:split] if word != "--env"] == given


def test_no_snippet_holds_a_secret() -> None:
    for client, file in FILES.items():
        for value in re.findall(r"Bearer ([^\"]+)", (FOLDER / client / file).read_text()):
            assert value.startswith(("env:", "file:", "${")), (client, value)


def test_the_paths_that_the_snippets_name_are_those_of_the_policies_here() -> None:
    named = {
        os.path.basename(found)
        for client, file in FILES.items()
        for found in re.findall(r"\S+\.yaml", (FOLDER / client / file).read_text())
    }
    assert {name.rstrip('",') for name in named} == {path.name for path in FOLDER.glob("*.yaml")}
