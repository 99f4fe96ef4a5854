"""What callgate.yaml means when it is valid."""

from pathlib import Path
from typing import Any

import pytest
from config_files import LEAST, SERVER, config, findings, load, write

from callgate.config import keys
from callgate.config.load import load_config
from callgate.config.model import JwtConfig, Secret, ServeConfig, ServerConfig
from callgate.policy.keys import Key


def test_the_least_form_is_two_servers_and_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path, LEAST)
    assert loaded.config.servers == (
        ServerConfig(name="git", policy=str(tmp_path / "git.yaml"), command=("mcp-server-git",)),
        ServerConfig(name="docs", policy=str(tmp_path / "docs.yaml"), url="http://127.0.0.1:9000/mcp"),
    )
    assert loaded.config == ServeConfig(
        path=str(tmp_path / "callgate.yaml"),
        revision=loaded.config.revision,
        servers=loaded.config.servers,
    )
    assert loaded.documents.keys() == {"git", "docs"}
    assert loaded.documents["git"].tools[0].pattern == "a"
    assert loaded.seen.keys() == {str(tmp_path / name) for name in ("callgate.yaml", "git.yaml", "docs.yaml")}


WHOLE = """\
listen:
  host: 0.0.0.0
  port: 8443
  tls: {cert: tls.crt, key: ./tls.key}
  hosts: [Gate.example.com, "gate.example.com:8443", "[::1]:8443"]
  origins: ["HTTPS://app.example.com", "http://localhost:3000/"]
  limits: {max_connections: 5, max_head: 16KiB, head_timeout: 1.5s, idle_timeout: 2m, high_water: 1MB}
auth:
  keys: keys.yaml
  resource: https://gate.example.com
  jwt:
    - {issuer: https://id.example.com, audience: gate, jwks: https://id.example.com/jwks}
    - {issuer: local, audience: gate, jwks: jwks.json, algorithms: [PS512], identity_claim: email,
       required_scopes: [mcp, "x:y"], leeway: 0}
  scopes: [mcp]
sessions: {secret: {file: token}, key_header: X-Agent}
servers:
  git:
    command: [./serve, --root, "/srv x", "5"]
    policy: git.yaml
    cwd: .
    env: {MODE: fast, GITHUB_TOKEN: {env: GH}}
    idle: 1d
    max_children: 3
    timeout: 0.5
  docs:
    url: https://docs.example.com/mcp?x=1
    policy: git.yaml
    headers: {Authorization: {env: DOCS, prefix: "Bearer "}, X-Region: eu}
    ca: ca.pem
    forward_identity: true
    connect_timeout: 250ms
    stream_timeout: 10m
    max_request: 1MB
    max_response: 2GiB
    max_in_flight: 9
state: {env: REDIS_URL}
on_state_failure: deny
audit: log/calls.jsonl
audit_sync: none
audit_arguments: redacted
telemetry: {metrics: authenticated, otlp_endpoint: "http://otel:4318", service_name: gate-eu}
workers: 1
drain: 5s
"""


def test_every_key_reaches_its_field(tmp_path: Path) -> None:
    found = config(tmp_path, WHOLE)
    assert found.warnings == ()
    listen = found.listen
    assert (listen.host, listen.port) == ("0.0.0.0", 8443)  # noqa: S104
    assert (listen.tls_cert, listen.tls_key) == (str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    assert listen.hosts == ("gate.example.com", "gate.example.com:8443", "[::1]:8443")
    assert listen.origins == ("https://app.example.com", "http://localhost:3000")
    limits = listen.limits
    assert (limits.max_connections, limits.max_head, limits.high_water) == (5, 16384, 1_000_000)
    assert (limits.head_timeout, limits.idle_timeout, limits.body_timeout) == (1.5, 120.0, 60.0)
    assert found.auth is not None
    assert found.auth.keys == str(tmp_path / "keys.yaml")
    assert found.auth.resource == "https://gate.example.com"
    assert found.auth.authorization_servers == ("https://id.example.com",)
    assert found.auth.scopes_supported == ("mcp",)
    assert found.auth.jwt == (
        JwtConfig(issuer="https://id.example.com", audience="gate", jwks="https://id.example.com/jwks"),
        JwtConfig(
            issuer="local",
            audience="gate",
            jwks=str(tmp_path / "jwks.json"),
            algorithms=("PS512",),
            identity_claim="email",
            required_scopes=("mcp", "x:y"),
            leeway=0.0,
        ),
    )
    sessions = found.sessions
    assert sessions.secret == Secret(file=str(tmp_path / "token"))
    assert sessions.key_header == "x-agent"
    git, docs = found.servers
    assert git.command == (str(tmp_path / "serve"), "--root", "/srv x", "5")
    assert git.env == {"MODE": "fast", "GITHUB_TOKEN": Secret(env="GH")}
    assert (git.cwd, git.idle, git.max_children, git.timeout) == (str(tmp_path), 86400.0, 3, 0.5)
    assert docs.url == "https://docs.example.com/mcp?x=1"
    assert docs.headers == {"authorization": Secret(env="DOCS", prefix="Bearer "), "x-region": "eu"}
    assert docs.forward_identity
    assert not git.forward_identity
    assert docs.ca_file == str(tmp_path / "ca.pem")
    assert (docs.connect_timeout, docs.stream_timeout) == (0.25, 600.0)
    assert (docs.max_request, docs.max_response, docs.max_in_flight) == (1_000_000, 2 << 30, 9)
    assert (found.state, found.state_failure) == (Secret(env="REDIS_URL"), "deny")
    assert found.audit == str(tmp_path / "log/calls.jsonl")
    assert (found.audit_sync, found.audit_arguments) == ("none", "redacted")
    telemetry = found.telemetry
    assert (telemetry.metrics, telemetry.otlp_endpoint) == ("authenticated", "http://otel:4318")
    assert (telemetry.service_name, found.workers, found.drain) == ("gate-eu", 1, 5.0)


def _defaults(table: tuple[Key, ...]) -> str:
    """Every key of a table whose default is a value, with that value."""
    given = [key for key in table if key.default and (" " not in key.default or key.default[0] in "[{")]
    return ", ".join(f"{key.name}: {key.default}" for key in given if key.default != "none")


def test_a_default_that_is_written_changes_nothing(tmp_path: Path) -> None:
    jwt = f"issuer: i, audience: a, jwks: jwks.json, {_defaults(keys.JWT)}"
    of_url = ("headers", "forward_identity", "connect_timeout")
    written = (
        "servers:\n"
        f"  git: {{command: [a], policy: git.yaml, {_without(keys.SERVER, *of_url)}}}\n"
        "  docs: {url: http://127.0.0.1, policy: git.yaml, "
        f"{_without(keys.SERVER, 'env', 'max_children', 'idle')}}}\n"
        f"listen: {{{_without(keys.LISTEN, 'allow_unauthenticated')}, limits: {{{_defaults(keys.LIMITS)}}}}}\n"
        f"auth: {{resource: https://g.example.com, jwt: {{{jwt}}}}}\n"
        f"sessions: {{{_defaults(keys.SESSIONS)}}}\n"
        f"telemetry: {{{_defaults(keys.TELEMETRY)}}}\n"
    ) + _defaults(keys.TOP).replace(", ", "\n")
    plain = (
        "servers: {git: {command: [a], policy: git.yaml}, docs: {url: http://127.0.0.1, policy: git.yaml}}\n"
        "auth: {resource: https://g.example.com, jwt: {issuer: i, audience: a, jwks: jwks.json}}\n"
    )
    assert "max_request: 16MiB" in written
    assert "leeway: 30s" in written
    assert "workers: 1" in written
    one, other = config(tmp_path, written), config(tmp_path, plain)
    assert one.revision != other.revision
    for name in ServeConfig.__struct_fields__:
        if name != "revision":
            assert getattr(one, name) == getattr(other, name), name


def _without(table: tuple[Key, ...], *left_out: str) -> str:
    return _defaults(tuple(key for key in table if key.name not in left_out))


@pytest.mark.parametrize("key", keys.SERVER, ids=lambda key: key.name)
def test_the_example_of_a_server_s_key_is_valid(tmp_path: Path, key: Key) -> None:
    reached = key.name in ("url", "headers", "forward_identity", "ca", "connect_timeout")
    rest = {"policy": "git.yaml", **({"url": "http://127.0.0.1"} if reached else {"command": "[a]"})}
    rest[key.name] = key.example
    text = ", ".join(f"{name}: {value}" for name, value in rest.items())
    assert _errors(tmp_path, f"servers: {{a: {{{text}}}}}") == []


@pytest.mark.parametrize("key", keys.TOP, ids=lambda key: key.name)
def test_the_example_of_a_top_key_is_valid(tmp_path: Path, key: Key) -> None:
    rest = {"servers": '{git: {url: "http://127.0.0.1", policy: git.yaml}}', key.name: key.example}
    assert _errors(tmp_path, "\n".join(f"{name}: {value}" for name, value in rest.items())) == []


@pytest.mark.parametrize(
    ("around", "table"),
    [
        ("listen: {allow_unauthenticated: true, «}", keys.LISTEN),
        ("listen: {limits: {«}}", keys.LIMITS),
        ("auth: {keys: keys.yaml, resource: https://g.example.com, «}", keys.AUTH),
        ("sessions: {«}", keys.SESSIONS),
        ("telemetry: {«}", keys.TELEMETRY),
    ],
    ids=["listen", "limits", "auth", "sessions", "telemetry"],
)
def test_the_examples_of_a_section_are_valid(tmp_path: Path, around: str, table: tuple[Key, ...]) -> None:
    for key in table:
        start = around.split(f"{key.name}: ")[0]
        text = around if len(start) == len(around) else f"{start}«}}"
        assert _errors(tmp_path, SERVER + text.replace("«", f"{key.name}: {key.example}")) == [], key.name


def _errors(folder: Path, text: str) -> list[Any]:
    return [each for each in findings(folder, text) if each.severity == "error"]


def test_places_are_named_as_the_person_named_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    write(tmp_path / "etc", LEAST)
    monkeypatch.chdir(tmp_path)
    found, documents = load_config("etc/callgate.yaml")
    assert found.path == str(tmp_path / "etc/callgate.yaml")
    assert found.servers[0].policy == str(tmp_path / "etc/git.yaml")
    assert documents["git"].file == "etc/git.yaml"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("memory://", "memory://"),
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("sqlite:///var/lib/x.db", "sqlite:///var/lib/x.db"),
        ("sqlite:state.db", "sqlite:{folder}/state.db"),
        ("sqlite:./a/state.db?sync=normal", "sqlite:{folder}/a/state.db?sync=normal"),
    ],
)
def test_a_state_file_is_beside_the_configuration(tmp_path: Path, written: str, wanted: str) -> None:
    assert config(tmp_path, f'{SERVER}state: "{written}"').state == wanted.format(folder=tmp_path)


def test_a_policy_of_two_servers_is_read_once_and_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "git.yaml").write_text("default: deny\n")
    text = "servers: {a: {command: [a], policy: git.yaml}, b: {command: [b], policy: ./git.yaml}}"
    loaded = load(tmp_path, text)
    assert loaded.documents["a"] is loaded.documents["b"]
    (tmp_path / "git.yaml").write_text("defalt: deny\n")
    assert [each.code for each in findings(tmp_path, text)] == ["POL001", "POL023"]
