"""`state`: the URL of a limit store, or where it is kept. The store judges what stands behind the scheme."""

import os
from urllib.parse import parse_qsl

from callgate.config.findings import ConfigFindings
from callgate.config.model import Secret
from callgate.config.places import Folder
from callgate.config.section import Reader
from callgate.config.stored_url import stored_url
from callgate.policy.yaml_tree import Node
from callgate.text import quote

SCHEMES = (
    *("memory", "sqlite", "redis", "rediss", "valkey", "valkeys"),
    *("unix", "redis+unix", "redis+sentinel", "rediss+sentinel"),
)

_FORMS = "write `memory://`, `sqlite:PATH` or `redis://HOST:PORT/DB`"


def state(folder: Folder) -> Reader:
    """Return the reader of `state`. A relative path of a SQLite file is made absolute."""

    def usable(text: str, scheme: str, rest: str, node: Node, findings: ConfigFindings) -> str:
        if scheme != "sqlite":
            _look_for_password(rest, node, findings)
            return text
        if rest.startswith("//"):
            return text
        path, mark, query = rest.partition("?")
        if not path or path.startswith("/"):
            return text
        base = folder.path.replace("%", "%25").replace("?", "%3F")
        return f"sqlite:{os.path.join(base, path.removeprefix('./'))}{mark}{query}"

    return stored_url("state", "a limit store", SCHEMES, "CFG048", _FORMS, folder, usable)


def _look_for_password(rest: str, node: Node, findings: ConfigFindings) -> None:
    """Warn if the file that is to hold the store's password is not there now."""
    path = dict(parse_qsl(rest.partition("?")[2])).get("password_file")
    if path and not os.path.exists(path):
        message = f"there is no file {quote(path, 200)} here"
        findings.warning("CFG105", message, node.source, "the gate does not start without it")


def is_memory(state: str | Secret | None) -> bool:
    """Whether counters would live in the memory of one process."""
    return isinstance(state, str) and state.startswith("memory:")
