"""What a child of a long-running gate gets to see of the gate's environment: only what is named here.

The gate's environment holds its own secrets (keys of other servers, of the state, of the audit): they must never
reach a server. What a server needs beyond this list is named for it in the configuration.
"""

from collections.abc import Mapping

IDENTITY, SESSION = "CALLGATE_IDENTITY", "CALLGATE_SESSION"
"""Who calls, and the session that limits are counted under. Set by the gate alone, so that a gate or a runner behind
it counts for the same caller."""

ALLOWED = frozenset(
    (
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TMPDIR",
        "TZ",
        "TERM",
        "LANG",
        "LANGUAGE",
        # Trust in private certificate authorities.
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        # Where npx, pip, uvx and the like keep what they have fetched.
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "NVM_DIR",
        "VOLTA_HOME",
        "npm_config_cache",
        "npm_config_prefix",
        "npm_config_userconfig",
        "npm_config_offline",
        "npm_config_prefer_offline",
        "PIP_CACHE_DIR",
        "PIP_CONFIG_FILE",
        "UV_CACHE_DIR",
        "UV_PYTHON_INSTALL_DIR",
        "UV_TOOL_DIR",
        "UV_OFFLINE",
    )
)
"""Names taken over. Addresses of registries and proxies are not among them: they often hold passwords."""


def child_environment(own: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """The allowed part of `own` (and `LC_*`), with `more` on top."""
    kept = {name: value for name, value in own.items() if name in ALLOWED or name.startswith("LC_")}
    return {**kept, **more}


def caller_variables(identity: str, session: str) -> dict[str, str]:
    """What a child is told of its caller; goes on top of everything else in its environment."""
    return {IDENTITY: identity, SESSION: session}
