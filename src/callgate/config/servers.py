"""`servers` → ServerConfig: which servers there are, how each is reached, and which policy guards it."""

import re

from msgspec import Struct

from callgate.config.findings import ConfigFindings
from callgate.config.keys import SERVER
from callgate.config.model import ServerConfig
from callgate.config.places import Folder, is_loopback, path_is_usable, split_url, url
from callgate.config.quantities import count, duration, size
from callgate.config.secret_values import environment, headers, is_credential
from callgate.config.section import Section, entries
from callgate.diagnostics import Source
from callgate.policy.values import boolean, items, string
from callgate.policy.yaml_tree import ListNode, Node, ScalarNode
from callgate.text import quote

RESERVED = ("healthz", "readyz", "metrics", ".well-known")
"""First words of paths that the gate itself answers at."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CHILD_KEYS = ("env", "cwd", "idle", "max_children")
_URL_KEYS = ("headers", "forward_identity", "ca", "connect_timeout")


class NamedPolicy(Struct, frozen=True):
    """The policy of one server ("": of the runner): where it is, what a person would call it, and where it was
    named."""

    server: str
    path: str
    shown: str
    source: Source


def read_servers(
    node: Node, folder: Folder, findings: ConfigFindings, *, needed: bool
) -> tuple[tuple[ServerConfig, ...], list[NamedPolicy]]:
    """Return the servers in the order of the file, and the policies they name. `needed`: none is a mistake."""
    servers: list[ServerConfig] = []
    policies: list[NamedPolicy] = []
    named = entries(node, "`servers`", findings)
    if needed and not named and hasattr(node, "entries"):
        findings.error(
            "CFG023", "there is no server", node.source, "write `NAME: {command: […], policy: FILE}`"
        )
    known: dict[str, str] = {}
    for key, value in named:
        _check_name(key, findings)
        other = known.setdefault(key.text.lower(), key.text)
        if other != key.text:
            # People, and file systems of some machines, would take the two for one.
            message = f"{quote(key.text, 63)} and {quote(other, 63)} differ in capital letters alone"
            findings.error("CFG005", message, key.source, "choose another name")
        server, policy = _read_server(key.text, value, folder, findings)
        servers.append(server)
        if policy is not None:
            policies.append(policy)
    return tuple(servers), policies


def _check_name(key: ScalarNode, findings: ConfigFindings) -> None:
    if key.text.lower() in RESERVED:
        message = f"{quote(key.text)} cannot name a server: the gate itself answers there"
        findings.error("CFG032", message, key.source, "choose another name")
    elif not _NAME.fullmatch(key.text):
        help = "names are up to 63 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, and begin with a letter or digit"
        findings.error("CFG005", f"{quote(key.text)} cannot name a server", key.source, help)


def _read_server(
    name: str, node: Node, folder: Folder, findings: ConfigFindings
) -> tuple[ServerConfig, NamedPolicy | None]:
    called = f"server {quote(name, 63)}"
    section = Section(node, called, f"in {called}", SERVER, findings, _hint)
    section.take("command", lambda node, what, findings: _command(node, what, folder, findings))
    section.take("url", url(secure=False))
    section.take("env", environment(folder))
    section.take("cwd", folder.folder)
    section.take("headers", headers(folder))
    section.take("forward_identity", boolean)
    section.take("ca", folder.present, "ca_file")
    for key, low, high in (
        ("connect_timeout", 0.1, 300.0),
        ("timeout", 0.1, 86_400.0),
        ("stream_timeout", 1.0, 7 * 86_400.0),
        ("idle", 1.0, 30 * 86_400.0),
    ):
        section.take(key, duration(low, high))
    section.take("max_children", count(1, 100_000))
    section.take("max_in_flight", count(1, 1_000_000))
    section.take("max_request", size(1_024, 1 << 30))
    section.take("max_response", size(1_024, 4 << 30))
    _check_kind(section, called, findings)
    policy = _policy(name, section, folder, findings)
    path = "" if policy is None else policy.path
    server = ServerConfig(**{"name": name, "policy": path, **section.values})
    _check_plain_http(server, section, findings)
    return server, policy


def _hint(key: str) -> str | None:
    if key in ("args", "arguments"):
        return "put the arguments behind the program: `command: [PROGRAM, ARGUMENT]`"
    return "tokens go into `headers` or `env`" if key in ("token", "api_key", "auth") else None


def _command(node: Node, what: str, folder: Folder, findings: ConfigFindings) -> tuple[str, ...] | None:
    help = None
    if isinstance(node, ScalarNode) and node.kind == "string":
        help = f"write `[{', '.join(node.text.split())}]`" if len(node.text) < 200 else "write a list"
    if not isinstance(node, ListNode):
        items(node, what, findings, help)
        return None
    words = [string(item, f"a word of {what}", findings) for item in node.items]
    for word, item in zip(words, node.items, strict=True):
        if word is not None and "\0" in word:
            findings.error("CFG038", f"a word of {what} holds a NUL character", item.source)
    known = [word for word in words if word is not None]
    if not words or not (words[0] is None or words[0].strip()):
        findings.error("CFG027", f"{what} names no program", node.source, "write `[PROGRAM, ARGUMENT]`")
    if len(known) != len(words) or not known:
        return None
    program = known[0]
    if "/" in program:
        if not path_is_usable(program, what, node.items[0], findings):
            return None
        program = folder.absolute(program)
    return (program, *known[1:])


def _check_kind(section: Section, called: str, findings: ConfigFindings) -> None:
    found = section.found
    if "command" in found and "url" in found:
        message = f"{called} has both `command` and `url`"
        findings.error("CFG030", message, found["url"][0].source, "keep the one that reaches the server")
        return
    if "command" not in found and "url" not in found:
        if found:
            help = "write `command: [PROGRAM]` to start it, or `url: …` to reach it"
            findings.error("CFG030", f"{called} has neither `command` nor `url`", section.node.source, help)
        return
    kind, others = ("command", _URL_KEYS) if "command" in found else ("url", _CHILD_KEYS)
    for key in others:
        if key in found:
            means = "is for servers with a `url`" if kind == "command" else "is for servers with a `command`"
            findings.error("CFG031", f"`{key}` {means}, and {called} has a `{kind}`", found[key][0].source)


def _policy(name: str, section: Section, folder: Folder, findings: ConfigFindings) -> NamedPolicy | None:
    if "policy" not in section.found:
        return None
    node = section.found["policy"][1]
    written = string(node, "`policy`", findings)
    if written is None or not path_is_usable(written, "`policy`", node, findings):
        return None
    return NamedPolicy(name, folder.absolute(written), folder.display(written), node.source)


def _check_plain_http(server: ServerConfig, section: Section, findings: ConfigFindings) -> None:
    parts = split_url(server.url) if server.url is not None else None
    if parts is None or parts.scheme != "http" or is_loopback(parts.hostname or ""):
        return
    if any(is_credential(name, value) for name, value in server.headers.items()):
        findings.warning(
            "CFG102",
            f"credentials for {quote(parts.hostname or '')} travel in plain http",
            section.at("url").source,
            "use https, or keep the network between the two closed",
        )
