"""The checked contents of callgate.yaml. Data only; secrets are named here, never held."""

from typing import Literal

from msgspec import Struct, field

from callgate.config.runner_model import RunnerConfig
from callgate.config.secret_model import Secret as Secret
from callgate.diagnostics import Diagnostic
from callgate.http1.contract import Limits

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class ServerConfig(Struct, frozen=True, kw_only=True):
    """One upstream. Exactly one of `command` and `url`. Times in seconds, sizes in bytes; paths absolute."""

    name: str
    policy: str
    command: tuple[str, ...] = ()
    url: str | None = None
    env: dict[str, str | Secret] = field(default_factory=dict)
    """For a child, on top of a minimal environment (PATH, HOME, LANG, …)."""
    cwd: str | None = None
    headers: dict[str, str | Secret] = field(default_factory=dict)
    """For a URL: the gate's own credentials."""
    forward_identity: bool = False
    """Whether the server behind a URL is told who calls, and under which session limits are counted."""
    ca_file: str | None = None
    connect_timeout: float = 5.0
    timeout: float = 60.0
    """From the request to the head of its answer; for a child from the frame to its answer or first notification."""
    stream_timeout: float | None = None
    idle: float = 900.0
    """A child nobody has used for so long is ended; also a session over it."""
    max_children: int = 100
    max_request: int = 16 << 20
    max_response: int = 64 << 20
    max_in_flight: int = 1_000


def files_of(server: ServerConfig) -> set[str]:
    """The files that a connection to the server, or a child, is made with: secrets and certificates of authorities."""
    named = (*server.env.values(), *server.headers.values())
    found = {value.file for value in named if isinstance(value, Secret) and value.file is not None}
    return found if server.ca_file is None else {*found, server.ca_file}


class JwtConfig(Struct, frozen=True, kw_only=True):
    """`jwks` is an absolute path or an https URL (http for loopback)."""

    issuer: str
    audience: str
    jwks: str
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256", "EdDSA")
    identity_claim: str = "sub"
    required_scopes: tuple[str, ...] = ()
    leeway: float = 30.0


class AuthConfig(Struct, frozen=True, kw_only=True):
    """`keys` is the file of hashed API keys. `resource` is the public URL that tokens are meant for (RFC 9728)."""

    keys: str | None = None
    jwt: tuple[JwtConfig, ...] = ()
    resource: str | None = None
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()


class ListenConfig(Struct, frozen=True, kw_only=True):
    """Where and for whom. `hosts` are the Host names served beside the loopback names; `origins` may call from pages.

    `allow_unauthenticated` is the operator's word that anyone who can reach a listener beyond loopback may call.
    """

    host: str = "127.0.0.1"
    port: int = 8722
    tls_cert: str | None = None
    tls_key: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    allow_unauthenticated: bool = False
    limits: Limits = field(default_factory=Limits)


class SessionConfig(Struct, frozen=True, kw_only=True):
    """Sessions of the handshake eras, and what counts as a session in the modern one.

    `secret` seals session ids; replicas that share it can continue each other's sessions. None: made up at the start.
    `key_header` names the header whose value tells modern sessions of an unauthenticated caller apart.
    """

    secret: Secret | None = None
    key_header: str | None = None


class TelemetryConfig(Struct, frozen=True, kw_only=True):
    """`metrics`: whether `/metrics` is served, and to whom: `loopback` or anyone who may call."""

    metrics: Literal["off", "loopback", "authenticated"] = "loopback"
    otlp_endpoint: str | None = None
    service_name: str = "callgate"


class ServeConfig(Struct, frozen=True, kw_only=True):
    """The whole file: `path` is absolute, `revision` the first 12 hex digits of the SHA-256 of its bytes.

    `state` is the URL of a limit store, with an absolute path where it names a file. `warnings` is what was found in
    the file; those of policies are in their documents.
    """

    path: str
    revision: str
    servers: tuple[ServerConfig, ...]
    listen: ListenConfig = field(default_factory=ListenConfig)
    auth: AuthConfig | None = None
    sessions: SessionConfig = field(default_factory=SessionConfig)
    state: str | Secret | None = None
    state_failure: Literal["deny", "allow"] = "deny"
    audit: str | None = None
    audit_sync: Literal["full", "none"] = "full"
    audit_arguments: Literal["hash", "redacted", "full"] = "hash"
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    workers: int = 1
    drain: float = 20.0
    """How long calls under way may take to end after SIGTERM."""
    runner: RunnerConfig | None = None
    """`callgate runner`; None: the file has no such section."""
    warnings: tuple[Diagnostic, ...] = ()
