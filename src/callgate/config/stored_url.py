"""A value that is the URL of what keeps something, or says where that URL is kept, as it may hold a password."""

import re
from collections.abc import Callable

from callgate.config.findings import ConfigFindings
from callgate.config.model import Secret
from callgate.config.places import Folder
from callgate.config.secret_values import secret
from callgate.config.section import Reader
from callgate.policy.findings import did_you_mean
from callgate.policy.values import string
from callgate.policy.yaml_tree import MapNode, Node

Usable = Callable[[str, str, str, Node, ConfigFindings], str | None]
"""(URL, its scheme, what follows, node, findings) → the URL to use."""

_PASSWORD = re.compile(r"[a-z]+://[^/?#]*:[^/?#]+@|[?&]password=", re.I)


def stored_url(
    key: str, article: str, schemes: tuple[str, ...], code: str, forms: str, folder: Folder, usable: Usable
) -> Reader:
    """Return the reader of `key`, the URL of `article`. Another scheme is an error `code`, with the help `forms`."""
    of_secret = secret(folder)

    def read(node: Node, what: str, findings: ConfigFindings) -> str | Secret | None:
        if isinstance(node, MapNode):
            return of_secret(node, what, findings)  # type: ignore[no-any-return]
        text = string(node, what, findings)
        if text is None:
            return None
        if _PASSWORD.search(text) is not None:
            findings.conceal(node.source)
            help = f"keep the whole URL elsewhere: `{key}: {{env: NAME}}` or `{key}: {{file: PATH}}`"
            findings.warning("CFG101", f"{what} holds a password, in plain text", node.source, help)
        scheme, colon, rest = text.partition(":")
        if not colon or scheme not in schemes:
            near = did_you_mean(scheme, schemes) if colon else None
            findings.error(code, f"{what} is not the URL of {article}", node.source, near or forms)
            return None
        return usable(text, scheme, rest, node, findings)

    return read
