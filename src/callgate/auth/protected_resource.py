"""The protected-resource metadata that tells a client where tokens for the gate come from (RFC 9728).

Each upstream is a resource of its own, `<resource>/<name>/mcp`, with a document at the well-known path put in
front of its path; the listener as a whole has one at the root, where clients of MCP look last. Pure.
"""

from collections.abc import Iterable
from typing import Any

from msgspec.json import encode

from callgate.config.model import AuthConfig

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata(config: AuthConfig, name: str | None = None) -> dict[str, Any] | None:
    """The document of upstream `name`, or of the whole listener. None without `resource`.

    `authorization_servers` are the configured ones, else the issuers of accepted tokens.
    """
    resource = resource_url(config, name)
    if resource is None:
        return None
    found: dict[str, Any] = {"resource": resource, "bearer_methods_supported": ["header"]}
    servers = config.authorization_servers or tuple(each.issuer for each in config.jwt)
    if servers:
        found["authorization_servers"] = list(servers)
    required = dict.fromkeys(scope for each in config.jwt for scope in each.required_scopes)
    scopes = config.scopes_supported or tuple(required)
    if scopes:
        found["scopes_supported"] = list(scopes)
    return found


def resource_url(config: AuthConfig, name: str | None = None) -> str | None:
    """The identifier of upstream `name`, or of the whole listener."""
    if config.resource is None:
        return None
    base = config.resource.rstrip("/")
    return base if name is None else f"{base}/{name}/mcp"


def metadata_url(config: AuthConfig, name: str | None = None) -> str | None:
    """Where the document of `name` is, for `resource_metadata` in challenges."""
    if config.resource is None:
        return None
    origin, _ = _split(config.resource)
    return origin + metadata_path(config, name)


def metadata_path(config: AuthConfig, name: str | None = None) -> str:
    """The path of that document: the well-known path goes between host and path (RFC 9728 section 3.1)."""
    _, path = _split(config.resource or "")
    return WELL_KNOWN + path + ("" if name is None else f"/{name}/mcp")


def documents(config: AuthConfig | None, names: Iterable[str]) -> dict[str, bytes]:
    """Raw request path → JSON body of every document of a listener that serves `names`. Empty if there is none."""
    if config is None or config.resource is None:
        return {}
    found = {metadata_path(config, name): encode(metadata(config, name)) for name in names}
    root = encode(metadata(config))
    found[metadata_path(config)] = root
    found.setdefault(WELL_KNOWN, root)
    return found


def _split(url: str) -> tuple[str, str]:
    """`https://host/base/` → (`https://host`, `/base`)."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", (slash + path).rstrip("/")
