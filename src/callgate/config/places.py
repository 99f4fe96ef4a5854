"""Where things are: paths relative to the file, URLs, host names and origins. Looks at names only, opens nothing."""

import ipaddress
import os
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from callgate.config.findings import ConfigFindings
from callgate.policy.values import string
from callgate.policy.yaml_tree import Node
from callgate.text import quote

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.I)
_USER = re.compile(r"[a-z+.-]*:?/*[^/?#]*@", re.I)
_SECRET_QUERY = re.compile(r"[?&][^=&#]*(?:key|token|secret|passw)[^=&#]*=[^&#]", re.I)
_PORT = re.compile(r"[0-9]{1,5}")


class Folder:
    """The folder that relative paths start at.

    `path` is absolute; `shown` is what a person who named the file as they did would write for it ("" for here).
    """

    def __init__(self, file: str) -> None:
        self.shown = os.path.dirname(file) if file != "-" else ""
        self.path = os.path.abspath(self.shown or ".")

    def absolute(self, written: str) -> str:
        return self.path if written in (".", "./") else os.path.join(self.path, written.removeprefix("./"))

    def display(self, written: str) -> str:
        return os.path.join(self.shown, written.removeprefix("./"))

    def file(self, node: Node, what: str, findings: ConfigFindings) -> str | None:
        """Read the path of a file, and return it as an absolute one."""
        text = string(node, what, findings)
        if text is None or not path_is_usable(text, what, node, findings):
            return None
        return self.absolute(text)

    def present(self, node: Node, what: str, findings: ConfigFindings, kind: str = "file") -> str | None:
        """Read the path of a file, or of what else `kind` says, and warn if there is none now."""
        found = self.file(node, what, findings)
        if found is not None and not os.path.exists(found):
            shown = quote(self.display(string(node, what, findings) or ""), 200)
            message = f"there is no {kind} {shown} here"
            findings.warning("CFG105", message, node.source, "the gate does not start without it")
        return found

    def folder(self, node: Node, what: str, findings: ConfigFindings) -> str | None:
        """Read the path of a folder, and warn if there is none now."""
        return self.present(node, what, findings, "folder")


def path_is_usable(text: str, what: str, node: Node, findings: ConfigFindings) -> bool:
    """Say whether `text` can be a path; record why not."""
    if not text.strip() or "\0" in text:
        findings.error("CFG028", f"{what} names no file", node.source)
    elif text.startswith("~"):
        findings.error("CFG028", f"{what}: `~` is not expanded", node.source, "write the whole path")
    elif len(text.encode("utf-8", "surrogatepass")) > 4096:
        findings.error("CFG028", f"{what} is longer than any path can be", node.source)
    else:
        return True
    return False


def url(*, secure: bool) -> Callable[[Node, str, ConfigFindings], str | None]:
    """Return the reader of an http(s) URL without user and fragment; `secure`: plain http to loopback only."""

    def read(node: Node, what: str, findings: ConfigFindings) -> str | None:
        text = string(node, what, findings)
        if text is None:
            return None
        parts = split_url(text)
        if _SECRET_QUERY.search(text):
            findings.conceal(node.source)
            help = "send it in `headers`, from the environment or a file, if the server takes it there"
            findings.warning(
                "CFG101", f"the query of {what} looks like a secret, in plain text", node.source, help
            )
        if _USER.match(text):
            findings.conceal(node.source)
            help = "send credentials in `headers`, from the environment or a file"
            findings.error("CFG036", f"{what} holds a user or a password", node.source, help)
        elif parts is None or parts.scheme not in ("http", "https"):
            help = "write the whole address, as in `https://example.com/mcp`"
            shown = text.partition("?")[0]
            findings.error("CFG036", f"{what} is not an http URL: {quote(shown)}", node.source, help)
        elif "#" in text:
            findings.error(
                "CFG036", f"{what} has a fragment, which is never sent", node.source, "cut it off at `#`"
            )
        elif secure and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            message = f"{what} is plain http to another machine"
            findings.error(
                "CFG045", message, node.source, "use https: anybody on the way could change what it says"
            )
        else:
            return text
        return None

    return read


def split_url(text: str) -> SplitResult | None:
    """Return the parts of a URL that names a host; None if it is not one."""
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or port == 0 or not is_host(parts.hostname):
        return None
    return parts


def is_loopback(host: str) -> bool:
    """Say whether `host` is certain to be this machine, reached by nobody else."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback


def is_any_address(host: str) -> bool:
    """Say whether listening at `host` means every address of this machine, and so names none."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def listen_host(node: Node, what: str, findings: ConfigFindings) -> str | None:
    """Read the address or name to listen at."""
    text = string(node, what, findings)
    if text is None:
        return None
    if not is_host(text.strip("[]")):
        help = "write `127.0.0.1`, `::1`, `0.0.0.0` or a name; the port has a key of its own"
        findings.error("CFG039", f"{quote(text)} is not an address to listen at", node.source, help)
        return None
    return text.strip("[]")


def served_host(node: Node, what: str, findings: ConfigFindings) -> str | None:
    """Read a host name under which the gate is reached, with or without a port; in lower case."""
    text = string(node, what, findings)
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or text.endswith("]"):
        host, port = text, ""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_bare_v6 = ":" in bare and bare == host
    if not is_host(bare) or is_bare_v6 or (port and not _is_port(port)) or text.endswith(":"):
        help = "write the name that clients use, such as `gate.example.com` or `gate.example.com:8443`"
        if "*" in text:
            help = "name each host: a pattern would let any web page reach the gate"
        elif "/" in text:
            help = "leave out the scheme and the path"
        findings.error("CFG039", f"{quote(text)} is not a host name", node.source, help)
        return None
    return text.lower()


def origin(node: Node, what: str, findings: ConfigFindings) -> str | None:
    """Read the origin of web pages that may call: scheme, host and perhaps a port; in lower case."""
    text = string(node, what, findings)
    if text is None:
        return None
    parts = split_url(text)
    if (
        parts is None
        or parts.scheme not in ("http", "https")
        or parts.path not in ("", "/")
        or parts.query
        or "#" in text
        or parts.username is not None
    ):
        help = "write it as browsers send it, such as `https://app.example.com`"
        if text in ("*", "null"):
            help = "name each origin: this would let any web page call"
        findings.error("CFG039", f"{quote(text)} is not an origin", node.source, help)
        return None
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_host(text: str) -> bool:
    """Say whether `text` is an address (without brackets) or can be a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # What looks like an address and is none ("300.1.1.1") is no name either.
        return _HOST_NAME.fullmatch(text) is not None and not re.fullmatch(r"[0-9.]+", text)
    return True


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and 0 < int(text) <= 65535
