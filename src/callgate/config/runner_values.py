"""Single values of `runner`: where executions are kept and queued, where code may connect, what it may install."""

import ipaddress
import os
import re

from callgate.config.findings import ConfigFindings
from callgate.config.model import Secret
from callgate.config.places import Folder, is_host, is_loopback
from callgate.config.secret_values import secret
from callgate.config.section import Reader, entries
from callgate.config.stored_url import stored_url
from callgate.policy.values import string
from callgate.policy.yaml_tree import Node
from callgate.text import quote

JOURNALS = ("sqlite", "postgresql", "postgres")
QUEUES = ("memory", "redis", "rediss", "redis+sentinel", "redis+cluster", "rediss+cluster", "unix")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_DESTINATION = re.compile(r"(\*\.)?(.+):([0-9]{1,5})")
_PACKAGE = re.compile(r"[A-Za-z0-9*?](?:[A-Za-z0-9._*?-]{0,126}[A-Za-z0-9*?])?")
_RUNS = re.compile(r"[-_.]+")
_JOURNALS = "write `sqlite:PATH` or `postgresql://USER@HOST/DATABASE`"
_QUEUES = "write `memory://` or `redis://HOST:PORT/DB`"


def journal(folder: Folder) -> Reader:
    """Return the reader of `journal`. A relative path of a SQLite file is made absolute."""

    def usable(text: str, scheme: str, rest: str, node: Node, findings: ConfigFindings) -> str | None:
        if scheme == "memory":
            help = f"{_JOURNALS}: memory would lose what was accepted"
            findings.error("CFG052", "a journal cannot be kept in memory", node.source, help)
            return None
        if scheme == "sqlite":
            if not rest or rest.startswith(("//", ":", "~")) or "\0" in rest or "?" in rest:
                findings.error("CFG052", f"{quote(text)} names no SQLite file", node.source, _JOURNALS)
                return None
            return f"sqlite:{os.path.join(folder.path, rest.removeprefix('./'))}"
        if not rest.startswith("//") or not text.isprintable():
            findings.error("CFG052", "`journal` is not the URL of a database", node.source, _JOURNALS)
            return None
        return f"postgresql:{rest}"

    return stored_url(
        "journal", "a database of executions", (*JOURNALS, "memory"), "CFG052", _JOURNALS, folder, usable
    )


def queue(folder: Folder) -> Reader:
    """Return the reader of `queue`."""

    def usable(text: str, scheme: str, rest: str, node: Node, findings: ConfigFindings) -> str | None:
        named = rest == "//" if scheme == "memory" else rest.startswith("//") and len(rest) > len("//")
        if named and text.isprintable():
            return text
        findings.error("CFG053", "`queue` is not the URL of a queue", node.source, _QUEUES)
        return None

    return stored_url("queue", "a queue", QUEUES, "CFG053", _QUEUES, folder, usable)


def destination(node: Node, what: str, findings: ConfigFindings) -> str | None:
    """Read a place that code may connect to, `HOST:PORT` or `*.HOST:PORT`; in lower case."""
    text = string(node, what, findings)
    if text is None:
        return None
    found = _DESTINATION.fullmatch(text)
    host = found[2].lower() if found else ""
    address = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    brackets_fit = (":" in address) == (address != host)
    if found is None or not 0 < int(found[3]) <= 65535 or not brackets_fit or not is_host(address):
        help = "write `HOST:PORT` or `*.HOST:PORT`, such as `api.example.com:443`"
        if "://" in text or "/" in text:
            help = "leave out the scheme and the path, and write the port: `api.example.com:443`"
        findings.error("CFG054", f"{quote(text)} is no place to connect to", node.source, help)
        return None
    if found[1] and _is_address(address):
        findings.error("CFG054", f"{quote(text)}: an address has no parts", node.source, "leave out `*.`")
        return None
    if _is_local(address):
        message = f"code could reach {quote(host)}, where services often ask nobody who they are"
        help = "allow it only if every agent may use whatever listens there"
        findings.warning("CFG111", message, node.source, help)
    return f"{found[1] or ''}{host}:{int(found[3])}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    if is_loopback(host) or host.endswith(".localhost"):
        return True
    # Link-local addresses include the metadata services of clouds, which hand out credentials.
    return _is_address(host) and (
        ipaddress.ip_address(host).is_link_local or ipaddress.ip_address(host).is_unspecified
    )


def package(node: Node, what: str, findings: ConfigFindings) -> str | None:
    """Read the name or pattern of a package, as packages are compared: in lower case, with `-` between words."""
    text = string(node, what, findings)
    if text is None:
        return None
    if not _PACKAGE.fullmatch(text):
        help = "write a name or a pattern such as `types-*`; versions are for the code to ask for"
        findings.error("CFG055", f"{quote(text)} is not the name of a package", node.source, help)
        return None
    return _RUNS.sub("-", text).lower()


def secrets(folder: Folder) -> Reader:
    """Return the reader of the secrets that code may ask for."""
    of_secret = secret(folder)

    def read(node: Node, what: str, findings: ConfigFindings) -> dict[str, Secret]:
        found: dict[str, Secret] = {}
        for key, value_node in entries(node, what, findings):
            if not _NAME.fullmatch(key.text):
                help = "names are made of letters, digits and `_`, and begin with no digit"
                findings.error(
                    "CFG005", f"{quote(key.text, 60)} is not the name of a secret", key.source, help
                )
            value = of_secret(value_node, quote(key.text, 60), findings)
            if value is not None:
                found[key.text] = value
        return found

    return read
