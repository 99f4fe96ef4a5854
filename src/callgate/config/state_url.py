"""`state`: the URL of a limit store, or where it is kept. The store judges what stands behind the scheme."""

import os
import re
from urllib.parse import parse_qsl

from callgate.config.findings import ConfigFindings
from callgate.config.model import Secret
from callgate.config.places import Folder
from callgate.config.secret_values import secret
from callgate.config.section import Reader
from callgate.policy.findings import did_you_mean
from callgate.policy.values import string
from callgate.policy.yaml_tree import MapNode, Node
from callgate.text import quote

SCHEMES = (
    *("memory", "sqlite", "redis", "rediss", "valkey", "valkeys"),
    *("unix", "redis+unix", "redis+sentinel", "rediss+sentinel"),
)

_FORMS = "write `memory://`, `sqlite:PATH` or `redis://HOST:PORT/DB`"
_PASSWORD = re.compile(r"[a-z]+://[^/?#]*:[^/?#]+@|[?&]password=", re.I)


def state(folder: Folder) -> Reader:
    """Return the reader of `state`. A relative path of a SQLite file is made absolute."""
    of_secret = secret(folder)

    def read(node: Node, what: str, findings: ConfigFindings) -> str | Secret | None:
        if isinstance(node, MapNode):
            return of_secret(node, what, findings)  # type: ignore[no-any-return]
        text = string(node, what, findings)
        if text is None:
            return None
        if holds_password(text):
            findings.conceal(node.source)
            findings.warning(
                "CFG101",
                f"{what} holds a password, in plain text",
                node.source,
                "keep the whole URL elsewhere: `state: {env: NAME}` or `state: {file: PATH}`",
            )
        scheme, colon, rest = text.partition(":")
        if not colon or scheme not in SCHEMES:
            message = f"{what} is not the URL of a limit store"
            findings.error("CFG048", message, node.source, did_you_mean(scheme, SCHEMES) if colon else _FORMS)
            return None
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

    return read


def _look_for_password(rest: str, node: Node, findings: ConfigFindings) -> None:
    """Warn if the file that is to hold the store's password is not there now."""
    path = dict(parse_qsl(rest.partition("?")[2])).get("password_file")
    if path and not os.path.exists(path):
        message = f"there is no file {quote(path, 200)} here"
        findings.warning("CFG105", message, node.source, "the gate does not start without it")


def holds_password(text: str) -> bool:
    """Whether a URL has a password in it."""
    return _PASSWORD.search(text) is not None


def is_memory(state: str | Secret | None) -> bool:
    """Whether counters would live in the memory of one process."""
    return isinstance(state, str) and state.startswith("memory:")
