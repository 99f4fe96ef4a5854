"""The file of hashed API keys → KeyRing, or every finding about it. YAML, read as strictly as a policy.

    keys:
      - {id: 3k9x…, sha256: 5f0c…, identity: ci-bot, claims: {team: billing}, expires: 2027-01-31}

Nothing of a secret can be in this file; if somebody puts a whole key there, no message repeats it.
"""

import os
import re
import stat
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from callgate.auth.apikeys import ID_LENGTH, ApiKey, KeyRing
from callgate.diagnostics import Diagnostic, Source
from callgate.errors import ConfigError, PolicyError
from callgate.policy.findings import Findings
from callgate.policy.source_text import decode
from callgate.policy.values import (
    Fields,
    boolean,
    describe,
    fields,
    items,
    mapping,
    plain,
    string,
)
from callgate.policy.yaml_tree import MapNode, Node, ScalarNode, parse
from callgate.text import quote

MAX_BYTES = 2 << 20
"""Some 18,000 keys."""

_KEYS = ("id", "sha256", "identity", "claims", "expires", "disabled")
_ID = re.compile(rf"[0-9a-z]{{{ID_LENGTH}}}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LONG_WORD = re.compile(r"[A-Za-z0-9_-]{20,}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", re.ASCII)

IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)
"""Whom a key may belong to: nothing that could be taken for an identity of another kind."""


class KeyFile(KeyRing):
    """A ring with what the file is warned of."""

    __slots__ = ("keys", "warnings")

    def __init__(self, keys: tuple[ApiKey, ...], warnings: tuple[Diagnostic, ...]) -> None:
        super().__init__(keys)
        self.keys = keys
        self.warnings = warnings


def read_keyfile(path: str) -> KeyFile:
    """Read the file at `path`. Raises PolicyError with every finding (AUTH030 to AUTH034)."""
    try:
        # Opened without blocking: a FIFO in its place must not hang the gate.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _unreadable(path, "it is not a regular file", "name a file")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise _unreadable(path, reason, "check the path, and that this user may read it") from None
    except ValueError:
        raise _unreadable(path, "that is no path", "check the path") from None
    return load_keys(data, path, stat.S_IMODE(status.st_mode))


def load_keys(data: bytes, file: str, mode: int = 0o600) -> KeyFile:
    """Return the keys that `data` holds; `mode` is the file's, `file` its name in messages. Raises PolicyError."""
    if mode & 0o022:
        help = f"chmod 600 {file}"
        message = (
            f"others may write to the key file {quote(file, 200)} (mode {mode:04o}), and so let themselves in"
        )
        raise ConfigError([Diagnostic("error", "AUTH031", message, help=help)])
    help = "remove keys that have expired; many callers are better told apart by tokens"
    try:
        text = decode(data, file, MAX_BYTES, help=help)
    except PolicyError as error:
        placed = [replace(each, source=each.source or Source(file, 1, 1)) for each in error.diagnostics]
        raise ConfigError([_masked(each) for each in placed]) from None
    findings = Findings(text)
    tree = parse(text, findings)
    keys: tuple[ApiKey, ...] = ()
    if tree is not None:
        keys = _read_top(tree, findings)
    elif not findings.errors:
        findings.error("AUTH033", "the file holds no keys", Source(file, 1, 1), "write `keys: []`")
    if findings.errors:
        raise ConfigError([_masked(each) for each in findings.sorted()])
    warnings = tuple(map(_masked, findings.sorted()))
    # What nobody may write to was put there to be read, as secrets are that a container is given.
    if mode & 0o044 and mode & 0o200:
        message = f"others may read the key file {quote(file, 200)} (mode {mode:04o})"
        warnings = (Diagnostic("warning", "AUTH032", message, help=f"chmod 600 {file}"), *warnings)
    return KeyFile(keys, warnings)


def _read_top(tree: Node, findings: Findings) -> tuple[ApiKey, ...]:
    root = mapping(tree, "the key file", findings)
    if root is None:
        return ()
    found = fields(root, ("keys",), "at the top of the file", findings)
    if "keys" not in found:
        findings.error("AUTH033", "the file has no `keys`", root.source, "write `keys: []`")
        return ()
    keys: list[ApiKey] = []
    seen: dict[str | bytes, Source] = {}
    for node in items(found["keys"][1], "`keys`", findings) or ():
        entry = mapping(node, "a key", findings)
        key = _read_key(entry, findings) if entry is not None else None
        if entry is None or key is None:
            continue
        for what, value in (("id", key.id), ("sha256", key.sha256)):
            if value in seen:
                message = f"two keys have the same `{what}`"
                help = f"the other is on line {seen[value].line}: delete one"
                findings.error("AUTH034", message, entry.source, help)
            seen.setdefault(value, entry.source)
        keys.append(key)
    return tuple(keys)


def _read_key(entry: MapNode, findings: Findings) -> ApiKey | None:
    found = fields(entry, _KEYS, "in a key", findings)
    before = findings.errors
    id = _text(found, "id", _ID, f"{ID_LENGTH} lower-case letters and digits", entry, findings)
    digest = _text(found, "sha256", _SHA256, "64 lower-case hexadecimal digits", entry, findings)
    allowed = "letters, digits and `._@+-`, beginning with a letter or digit, at most 128"
    identity = _text(found, "identity", IDENTITY, allowed, entry, findings)
    claims = _claims(found["claims"][1], findings) if "claims" in found else {}
    expires = _expires(found["expires"][1], findings) if "expires" in found else None
    disabled = boolean(found["disabled"][1], "`disabled`", findings) if "disabled" in found else False
    if findings.errors > before or id is None or digest is None or identity is None:
        return None
    return ApiKey(
        id=id,
        sha256=bytes.fromhex(digest),
        identity=identity,
        claims=claims,
        expires=expires,
        disabled=bool(disabled),
    )


def _text(
    found: Fields, name: str, form: re.Pattern[str], words: str, entry: MapNode, findings: Findings
) -> str | None:
    if name not in found:
        help = "`callgate key new` prints a whole entry"
        findings.error("AUTH033", f"a key lacks `{name}`", entry.source, help)
        return None
    node = found[name][1]
    # Hexadecimal digits without a letter, or with one `e`, read as a number: what was written counts.
    text = (
        node.text
        if isinstance(node, ScalarNode) and node.kind != "null"
        else string(node, f"`{name}`", findings)
    )
    if text is None:
        return None
    if form.fullmatch(text) is None:
        # The text is not shown: it may be the secret itself, put in the wrong place.
        findings.error("AUTH033", f"`{name}` must be {words}", node.source)
        return None
    return text


def _claims(node: Node, findings: Findings) -> dict[str, Any]:
    entry = mapping(node, "`claims`", findings)
    if entry is None:
        return {}
    claims: dict[str, Any] = plain(entry, findings)
    return claims


def _expires(node: Node, findings: Findings) -> float | None:
    text = string(node, "`expires`", findings)
    if text is None:
        return None
    seconds = parse_expires(text)
    if seconds is None:
        help = "write a date such as `2027-01-31`, or `2027-01-31T12:00:00Z`; both in UTC"
        findings.error("AUTH033", f"`expires` must be a date, found {describe(node)}", node.source, help)
    return seconds


def parse_expires(text: str) -> float | None:
    """Return the second since 1970 at which a key ends: a date ends as its day (UTC) begins. None: not a date."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _masked(finding: Diagnostic) -> Diagnostic:
    """The finding without its line and without long words: either may be a secret in the wrong place.

    What the reader of policies finds has a code of this file.
    """
    code = "AUTH033" if finding.code.startswith("POL") else finding.code
    return replace(finding, code=code, message=_LONG_WORD.sub("…", finding.message), line_text=None)


def _unreadable(path: str, why: str, help: str) -> ConfigError:
    message = f"cannot read the key file {quote(path, 200)}: {why}"
    return ConfigError([Diagnostic("error", "AUTH030", message, help=help)])
