"""Reads headers and environments: plain texts, and the places of secrets. Secrets themselves are never read here."""

import re

from callgate.config.findings import ConfigFindings
from callgate.config.keys import SECRET
from callgate.config.model import Secret
from callgate.config.places import Folder
from callgate.config.section import Reader, Section, entries
from callgate.policy.values import string
from callgate.policy.yaml_tree import MapNode, Node, ScalarNode
from callgate.text import quote
from callgate.transports.environment import IDENTITY, SESSION

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2: token
_HEADER_VALUE = re.compile(r"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?")  # RFC 9110 section 5.5

_OWN_HEADERS = frozenset(
    (
        "accept", "callgate-identity", "callgate-session", "connection",
        "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive",
        "last-event-id", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip
_SECRET_HEADER = re.compile(r"(?:proxy-)?authorization|cookie|.*[-_](?:key|token|secret)|x-?api-?key", re.I)
_SECRET_ENV = re.compile(
    r".*(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)(?:S|_.*)?|PAT|.*_PAT",
    re.I,
)
_FORMS = "write `{env: NAME}` or `{file: PATH}`"


def secret(folder: Folder) -> Reader:
    """Return the reader of `{env: NAME}` or `{file: PATH}`, with a `prefix` if wanted."""

    def read(node: Node, what: str, findings: ConfigFindings) -> Secret | None:
        if isinstance(node, ScalarNode):
            findings.conceal(node.source)
            findings.error(
                "CFG037", f"{what} is a secret, and secrets are not written here", node.source, _FORMS
            )
            return None
        before = findings.errors
        section = Section(node, what, f"in {what}", SECRET, findings)
        if not isinstance(node, MapNode):
            return None
        given = [key for key in ("env", "file") if key in section.found]
        if len(given) != 1 and findings.errors == before:
            problem = "says both `env` and `file`" if given else "says neither `env` nor `file`"
            findings.error("CFG037", f"{what} {problem}", node.source, _FORMS)
        section.take("env", _env_name)
        section.take("file", folder.present)
        section.take("prefix", string)
        prefix = section.values.get("prefix", "")
        if any(not " " <= character <= "~" for character in prefix):
            findings.error("CFG037", "`prefix` must be plain ASCII", section.at("prefix").source)
        return None if findings.errors > before else Secret(**section.values)

    return read


def text_or_secret(folder: Folder) -> Reader:
    """Return the reader of a text, or of the place of a secret."""
    of_secret = secret(folder)

    def read(node: Node, what: str, findings: ConfigFindings) -> str | Secret | None:
        if isinstance(node, MapNode):
            return of_secret(node, what, findings)  # type: ignore[no-any-return]
        if isinstance(node, ScalarNode) and node.kind == "string":
            return node.text
        findings.conceal(node.source)
        help = "quote it to make it text" if isinstance(node, ScalarNode) and node.text else _FORMS
        findings.error(
            "CFG002", f"{what} must be text, `{{env: NAME}}` or `{{file: PATH}}`", node.source, help
        )
        return None

    return read


def environment(folder: Folder) -> Reader:
    """Return the reader of a child's environment."""
    value_of = text_or_secret(folder)

    def read(node: Node, what: str, findings: ConfigFindings) -> dict[str, str | Secret]:
        found: dict[str, str | Secret] = {}
        for key, value_node in entries(node, what, findings):
            name = _env_name(key, f"the name {quote(key.text, 60)} in {what}", findings)
            if key.text in (IDENTITY, SESSION):
                findings.error("CFG038", f"{quote(key.text)} is written by the gate itself", key.source)
            if _SECRET_ENV.fullmatch(key.text):
                _literal_secret(key, value_node, findings)
            value = value_of(value_node, quote(key.text, 60), findings)
            if isinstance(value, str) and "\0" in value:
                findings.error("CFG038", f"{quote(key.text, 60)} holds a NUL character", value_node.source)
            elif name is not None and value is not None:
                found[name] = value
        return found

    return read


def headers(folder: Folder) -> Reader:
    """Return the reader of headers that the gate sends; names come out in lower case."""
    value_of = text_or_secret(folder)

    def read(node: Node, what: str, findings: ConfigFindings) -> dict[str, str | Secret]:
        found: dict[str, str | Secret] = {}
        for key, value_node in entries(node, what, findings):
            name = header_name(key, "a header's name", findings)
            if _SECRET_HEADER.fullmatch(key.text):
                _literal_secret(key, value_node, findings)
            value = value_of(value_node, quote(key.text, 60), findings)
            if name is None or value is None:
                continue
            if isinstance(value, str) and not _HEADER_VALUE.fullmatch(value):
                message = f"the value of {quote(key.text, 60)} cannot be sent in a header"
                help = "it must not be empty, hold a line break, or begin or end with a space"
                findings.error("CFG038", message, value_node.source, help)
            elif name in found:
                findings.error("CFG008", f"the header {quote(key.text, 60)} is given twice", key.source)
            found[name] = value
        return found

    return read


def header_name(node: Node, what: str, findings: ConfigFindings) -> str | None:
    """Read the name of a header that is not the gate's own; in lower case."""
    text = string(node, what, findings)
    if text is None:
        return None
    name = text.lower()
    if len(text) > 256 or not _HEADER_NAME.fullmatch(text):
        findings.error("CFG038", f"{quote(text)} is not the name of a header", node.source)
    elif name in _OWN_HEADERS or name.startswith("mcp-"):
        findings.error("CFG038", f"the header {quote(text)} is written by the gate itself", node.source)
    else:
        return name
    return None


def is_credential(name: str, value: str | Secret) -> bool:
    """Whether a header is likely to carry a credential."""
    return isinstance(value, Secret) or _SECRET_HEADER.fullmatch(name) is not None


def _literal_secret(key: ScalarNode, value: Node, findings: ConfigFindings) -> None:
    if not isinstance(value, ScalarNode):
        return
    findings.conceal(value.source)
    if value.kind == "string" and value.text:
        prefix = ""
        if value.text.startswith("Bearer "):
            prefix = ', or `{env: NAME, prefix: "Bearer "}`'
        findings.warning(
            "CFG101", f"{quote(key.text, 60)} looks like a secret, in plain text", key.source, _FORMS + prefix
        )


def _env_name(node: Node, what: str, findings: ConfigFindings) -> str | None:
    text = string(node, what, findings)
    if text is None or (len(text) <= 256 and _ENV_NAME.fullmatch(text)):
        return text
    help = "names are made of letters, digits and `_`"
    findings.error("CFG038", f"{quote(text)} is not the name of an environment variable", node.source, help)
    return None
