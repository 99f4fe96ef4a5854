"""Every key of callgate.yaml, once: reader, JSON Schema and reference are made from these tables."""

from callgate.config.runner_keys import LIMITS as RUNNER_LIMITS
from callgate.config.runner_keys import PACKAGES, RETENTION, RUNNER
from callgate.config.shapes import A_DURATION, A_SIZE, DURATION, SIZE, TEXT, TRUTH, array, ref, whole
from callgate.policy.keys import Key

TOP: tuple[Key, ...] = (
    Key(
        "servers",
        "mapping: name → server",
        "The servers behind the gate. Each is reached at `/NAME/mcp`. A name is up to 63 of `A-Z`, `a-z`, `0-9`, "
        "`.`, `_` and `-`, and begins with a letter or digit; `healthz`, `readyz` and `metrics` are the gate's own.",
        "{git: {command: [mcp-server-git], policy: git.yaml}}",
        {"type": "object", "propertyNames": ref("server_name"), "additionalProperties": ref("server")},
        "the file is for `callgate runner` only, and has a `runner`",
    ),
    Key("runner", "mapping", "How `callgate runner` executes agents' code. `callgate serve` passes over it.",
        "{concurrency: 4}", ref("runner"), "the defaults below"),
    Key("listen", "mapping", "Where the gate listens, and for whom.", "{host: 127.0.0.1, port: 8722}", ref("listen"),
        "loopback only"),
    Key("auth", "mapping", "How callers prove who they are.", "{keys: keys.yaml}", ref("auth"),
        "nobody is asked, and the gate listens on loopback only"),
    Key("sessions", "mapping", "How agents' sessions are told apart and sealed.", "{key_header: X-Agent-Id}",
        ref("sessions"), "the defaults below"),
    Key(
        "state",
        "URL, or `{env: NAME}` or `{file: PATH}` that holds it",
        "Where limits are counted: `memory://`, `sqlite:PATH`, or `redis://HOST:PORT/DB` for several machines. A URL "
        "with a password belongs in the environment or a file.",
        "redis://127.0.0.1:6379/0",
        {"anyOf": [TEXT, ref("secret")]},
        "SQLite in the user's state directory",
    ),
    Key(
        "on_state_failure",
        "`deny` or `allow`",
        "What happens to calls with limits while the limit store does not answer. `allow` means that nothing is "
        "limited then; every such call is logged.",
        "deny",
        {"enum": ["deny", "allow"]},
        "deny",
    ),
    Key("audit", "path", "The file that every decision is recorded in, before the call goes on.", "calls.jsonl", TEXT,
        "none"),
    Key("audit_sync", "`full` or `none`", "Whether records are on the disk before a call goes on, or only with the "
        "system.", "full", {"enum": ["full", "none"]}, "full"),
    Key("audit_arguments", "`hash`, `redacted` or `full`", "What is recorded of the arguments of calls.", "hash",
        {"enum": ["hash", "redacted", "full"]}, "hash"),
    Key("telemetry", "mapping", "What the gate reports about itself.", "{metrics: loopback}", ref("telemetry"),
        "metrics for loopback"),
    Key(
        "workers",
        "whole number",
        "How many processes share the work. More than one needs a `state` that they share, and servers with a `url`: "
        "a child and what is counted in memory belong to one process.",
        "2",
        whole(1, 256),
        "1",
    ),
    Key("drain", A_DURATION, "How long calls under way may take to end after SIGTERM.", "30s", DURATION, "20s"),
)  # fmt: skip

SERVER: tuple[Key, ...] = (
    Key("policy", "path", "The policy file that guards the server.", "git.yaml", TEXT, required=True),
    Key(
        "command",
        "list of texts",
        "The program and its arguments: the gate starts one child for each session and speaks to it over stdio. A "
        "program with a `/` in it is a path; others are looked for along PATH.",
        "[mcp-server-git, --repository, /srv/repo]",
        array({"type": "string"}, at_least=1),
        "the server has a `url`",
    ),
    Key("url", "URL", "The Streamable HTTP endpoint of the server.", '"http://127.0.0.1:9000/mcp"',
        {"type": "string", "pattern": "^https?://"}, "the server has a `command`"),
    Key(
        "env",
        "mapping: name → text or secret",
        "The child's environment, on top of a minimal one (PATH, HOME, LANG and the like). With `command` only.",
        "{GITHUB_TOKEN: {env: GITHUB_TOKEN}}",
        {"type": "object", "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
         "additionalProperties": ref("text_or_secret")},
        "{}",
    ),
    Key("cwd", "path", "The folder that the child starts in. With `command` only.", "/srv/repo", TEXT,
        "the gate's own"),
    Key(
        "headers",
        "mapping: name → text or secret",
        "What the gate sends to the server: its own credentials. A caller's credentials are never passed on. With "
        "`url` only.",
        '{Authorization: {env: DOCS_TOKEN, prefix: "Bearer "}}',
        {"type": "object", "additionalProperties": ref("text_or_secret")},
        "{}",
    ),
    Key(
        "forward_identity",
        "`true` or `false`",
        "Whether the server is told who calls (`Callgate-Identity`) and the session that limits are counted under "
        "(`Callgate-Session`), percent-encoded. What clients send under these names never arrives. A child has the "
        "same in `CALLGATE_IDENTITY` and `CALLGATE_SESSION`. With `url` only.",
        "true",
        TRUTH,
        "false",
    ),
    Key("ca", "path", "A PEM file of the authorities that may vouch for the server. With `url` only.", "corp-ca.pem",
        TEXT, "the system's"),
    Key("connect_timeout", A_DURATION, "How long connecting may take. With `url` only.", "2s", DURATION, "5s"),
    Key(
        "timeout",
        A_DURATION,
        "From a request to the head of its answer; for a child from the frame to its answer or first notification.",
        "2m",
        DURATION,
        "60s",
    ),
    Key("stream_timeout", A_DURATION, "How long a stream of events may be silent.", "10m", DURATION, "for ever"),
    Key("idle", A_DURATION, "A child that nobody has used for so long is ended. With `command` only.", "1h", DURATION,
        "15m"),
    Key("max_children", "whole number", "How many children may live at once. With `command` only.", "20",
        whole(1, 100_000), "100"),
    Key("max_request", A_SIZE, "The largest request of an agent.", "1MiB", SIZE, "16MiB"),
    Key("max_response", A_SIZE, "The largest message of the server.", "16MiB", SIZE, "64MiB"),
    Key("max_in_flight", "whole number", "How many requests may be under way at once.", "200", whole(1, 1_000_000),
        "1000"),
)  # fmt: skip

SECRET: tuple[Key, ...] = (
    Key("env", "name", "The environment variable of the gate that holds the secret.", "DOCS_TOKEN", TEXT,
        "there is a `file`"),
    Key("file", "path", "The file that holds the secret, on one line. It is read again when it changed.",
        "/run/secrets/docs-token", TEXT, "there is an `env`"),
    Key("prefix", "text", "What is put before the secret.", '"Bearer "', {"type": "string"}),
)  # fmt: skip

LISTEN: tuple[Key, ...] = (
    Key("host", "address or name", "Where to listen. Beyond loopback callers must prove who they are.", "0.0.0.0",  # noqa: S104
        TEXT, "127.0.0.1"),
    Key("port", "whole number", "The port; 0 lets the system choose.", "8080", whole(0, 65535), "8722"),
    Key("tls", "mapping", "Serve https.", "{cert: tls.crt, key: tls.key}", ref("tls"), "plain http"),
    Key(
        "hosts",
        "list of host names",
        "The names that clients reach the gate by, beside those of loopback, `host`, and the host of `resource`. Any "
        "port is taken, unless an entry names one. A request with any other `Host` is refused.",
        "[gate.example.com]",
        array(TEXT),
        "[]",
    ),
    Key("origins", "list of origins", "Web pages that may call. Any other `Origin` is refused.",
        '["https://app.example.com"]', array(TEXT), "[]"),
    Key(
        "allow_unauthenticated",
        "`true` or `false`",
        "Your word that anyone who can reach the listener may call: without `auth` the gate listens beyond loopback "
        "only then.",
        "true",
        TRUTH,
        "false",
    ),
    Key("limits", "mapping", "What one client may cost.", "{max_connections: 5000}", ref("limits"),
        "the defaults below"),
)  # fmt: skip

TLS: tuple[Key, ...] = (
    Key("cert", "path", "The certificate chain, PEM. It is read again when it changed.", "tls.crt", TEXT,
        required=True),
    Key("key", "path", "Its private key, PEM.", "tls.key", TEXT, required=True),
)  # fmt: skip

LIMITS: tuple[Key, ...] = (
    Key("max_connections", "whole number", "How many connections may be open.", "5000", whole(1, 1_000_000), "20000"),
    Key("max_head", A_SIZE, "The largest request line with headers.", "16KiB", SIZE, "32KiB"),
    Key("max_headers", "whole number", "How many headers a request may have.", "50", whole(10, 10_000), "100"),
    Key("head_timeout", A_DURATION, "How long a client may take to send its headers.", "5s", DURATION, "10s"),
    Key("body_timeout", A_DURATION, "How long it may take to send its body.", "30s", DURATION, "60s"),
    Key("idle_timeout", A_DURATION, "How long a connection may be silent between requests.", "2m", DURATION, "75s"),
    Key("write_timeout", A_DURATION, "How long a client may take nothing of its answer.", "30s", DURATION, "60s"),
    Key("high_water", A_SIZE, "How much may wait for one client before its server is made to wait.", "1MiB", SIZE,
        "256KiB"),
    Key("max_buffered", A_SIZE, "How much of bodies still arriving a process holds.", "1GiB", SIZE, "256MiB"),
)  # fmt: skip

AUTH: tuple[Key, ...] = (
    Key("keys", "path", "The file of API keys, hashed.", "keys.yaml", TEXT, "no API keys"),
    Key("jwt", "mapping, or list of them", "Who may issue bearer tokens.",
        "{issuer: https://id.example.com, audience: https://gate.example.com, jwks: https://id.example.com/jwks}",
        {"anyOf": [ref("jwt"), array(ref("jwt"), at_least=1)]}, "no tokens"),
    Key(
        "resource",
        "URL",
        "The address that clients use for this gate: what tokens are meant for, as the protected-resource metadata "
        "says it (RFC 9728). Needed with `jwt`.",
        "https://gate.example.com",
        ref("address"),
        "the gate publishes no metadata",
    ),
    Key("authorization_servers", "list of URLs", "Where clients get tokens, as the metadata says it.",
        '["https://id.example.com"]', array(ref("address"), at_least=1), "the issuers of `jwt`"),
    Key("scopes", "list of words", "The scopes that the metadata names.", "[mcp]", array(TEXT, at_least=1), "none"),
)  # fmt: skip

JWT: tuple[Key, ...] = (
    Key("issuer", "text", "What `iss` must be, exactly.", "https://id.example.com", TEXT, required=True),
    Key("audience", "text", "What `aud` must be or hold, exactly.", "https://gate.example.com", TEXT, required=True),
    Key("jwks", "https URL or path", "The issuer's public keys. Plain http is for loopback only.",
        "https://id.example.com/jwks", TEXT, required=True),
    Key(
        "algorithms",
        "list of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `ES512`, `EdDSA`",
        "How tokens may be signed. Symmetric algorithms are not accepted.",
        "[ES256]",
        array({"enum": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]},
              at_least=1),
        "[RS256, ES256, EdDSA]",
    ),
    Key("identity_claim", "text", "The claim that names the caller in rules, limits and the audit.", "email", TEXT,
        "sub"),
    Key("required_scopes", "list of words", "Scopes that a token must have.", "[mcp]", array(TEXT), "[]"),
    Key("leeway", A_DURATION, "How far the clocks of issuer and gate may be apart.", "5s", DURATION, "30s"),
)  # fmt: skip

SESSIONS: tuple[Key, ...] = (
    Key(
        "secret",
        "`{env: NAME}` or `{file: PATH}`",
        "Seals the ids of sessions. Gates that share it can go on with each other's sessions.",
        "{file: /run/secrets/session-secret}",
        ref("secret"),
        "one that is made up at every start",
    ),
    Key(
        "key_header",
        "name of a header",
        "Its value tells the sessions of callers apart whom nobody authenticated and whose protocol has no sessions.",
        "X-Agent-Id",
        TEXT,
        "they share one",
    ),
)  # fmt: skip

TELEMETRY: tuple[Key, ...] = (
    Key("metrics", "`off`, `loopback` or `authenticated`", "Who may read `/metrics`: nobody, whoever is on this "
        "machine, or whoever may call.", "authenticated", {"enum": ["off", "loopback", "authenticated"]}, "loopback"),
    Key("otlp_endpoint", "URL", "Where OpenTelemetry traces go (OTLP over HTTP).", '"http://127.0.0.1:4318"',
        {"type": "string", "pattern": "^https?://"}, "no traces"),
    Key("service_name", "text", "What traces call the gate.", "gate-eu", TEXT, "callgate"),
)  # fmt: skip

TABLES: dict[str, tuple[Key, ...]] = {
    "file": TOP,
    "server": SERVER,
    "secret": SECRET,
    "listen": LISTEN,
    "tls": TLS,
    "limits": LIMITS,
    "auth": AUTH,
    "jwt": JWT,
    "sessions": SESSIONS,
    "telemetry": TELEMETRY,
    "runner": RUNNER,
    "runner.limits": RUNNER_LIMITS,
    "packages": PACKAGES,
    "retention": RETENTION,
}
"""Mapping → its keys."""
