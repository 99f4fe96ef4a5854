"""`state`: the URL of a limit store, or where it is kept. The store judges what stands behind the scheme."""

import os
import re

from callgate.config.findings import ConfigFindings
from callgate.config.model import Secret
from callgate.config.places import Folder
from callgate.config.secret_values import secret
from callgate.config.section import Reader
from callgate.policy.findings import did_you_mean
from callgate.policy.values import string
from callgate.policy.yaml_tree import MapNode, Node

SCHEMES = ("memory", "sqlite", "redis", "rediss", "valkey", "valkeys")

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
        if _PASSWORD.search(text):
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
        if scheme != "sqlite" or rest.startswith("//"):
            return text
        path, mark, query = rest.partition("?")
        if not path or path.startswith("/"):
            return text
        base = folder.path.replace("%", "%25").replace("?", "%3F")
        return f"sqlite:{os.path.join(base, path.removeprefix('./'))}{mark}{query}"

    return read


def is_memory(state: str | Secret | None) -> bool:
    """Whether counters would live in the memory of one process."""
    return isinstance(state, str) and state.startswith("memory:")
