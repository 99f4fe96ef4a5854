"""Reads every file that authentication needs, all or nothing. Blocks, holds no state: any thread may call it."""

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from callgate.auth.apikeys import KeyRing
from callgate.auth.keyfile import read_keyfile
from callgate.config.model import AuthConfig, JwtConfig
from callgate.diagnostics import Diagnostic
from callgate.errors import ConfigError, PolicyError
from callgate.text import quote

if TYPE_CHECKING:
    from callgate.auth.jwks import KeySet

_ISSUER = re.compile(r"[!#-\[\]-{}~]{1,512}", re.ASCII)
"""What an issuer or resource may consist of: it is put into identities and headers. No blank, quote, `\\`, `|`."""

_SCOPE = re.compile(r"[!#-\[\]-~]{1,128}", re.ASCII)
"""RFC 6749 section 3.3."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Credentials(Struct, frozen=True):
    """What one reading found. `key_sets` holds the issuers whose keys are in files."""

    config: AuthConfig
    keys: KeyRing | None
    key_sets: "dict[str, KeySet]"
    warnings: tuple[Diagnostic, ...] = ()


def is_url(jwks: str) -> bool:
    """Whether the keys are fetched, not read from a file."""
    return "://" in jwks


def read_credentials(config: AuthConfig) -> Credentials:
    """Read the files that `config` names. Raises ConfigError with every finding (AUTH03x)."""
    findings = [found for each in config.jwt for found in _check(each)]
    findings += _check_together(config)
    warnings: list[Diagnostic] = []
    keys = None
    if config.keys is not None:
        try:
            keys = read_keyfile(config.keys)
            warnings += keys.warnings
        except PolicyError as error:
            findings += error.diagnostics
    key_sets: dict[str, KeySet] = {}
    for each in config.jwt:
        if not is_url(each.jwks):
            try:
                key_sets[each.issuer] = _read_jwks(each)
            except ValueError as error:
                findings.append(_error("AUTH035", f"cannot use the key set {quote(each.jwks, 200)}: {error}"))
                continue
            warnings += [
                Diagnostic("warning", "AUTH037", f"in the key set {quote(each.jwks, 200)}: {note}")
                for note in key_sets[each.issuer].notes
            ]
    if any(found.severity == "error" for found in findings):
        raise ConfigError(findings)
    return Credentials(config, keys, key_sets, tuple(warnings))


def _check(jwt: JwtConfig) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    if _ISSUER.fullmatch(jwt.issuer) is None:
        found.append(_error("AUTH036", f"the issuer {quote(jwt.issuer)} holds a character that it must not"))
    if not all(map(_SCOPE.fullmatch, jwt.required_scopes)):
        found.append(_error("AUTH036", f"a required scope of {quote(jwt.issuer)} is not a scope"))
    if is_url(jwt.jwks) and not _may_be_fetched(jwt.jwks):
        message = f"the key set {quote(jwt.jwks, 200)} is not an https URL without user name"
        found.append(_error("AUTH036", message, "http is for loopback addresses only"))
    return found


def _check_together(config: AuthConfig) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    issuers = [each.issuer for each in config.jwt]
    for issuer in dict.fromkeys(issuers):
        if issuers.count(issuer) > 1:
            found.append(_error("AUTH036", f"the issuer {quote(issuer)} is named more than once"))
    resource = config.resource
    if resource is not None and (
        _ISSUER.fullmatch(resource) is None
        or not resource.startswith(("https://", "http://"))
        or "?" in resource
        or "#" in resource
    ):
        help = "write the public URL of the gate, such as `https://gate.example.com`"
        found.append(_error("AUTH036", f"the resource {quote(resource)} is not a URL without query", help))
    return found


def _may_be_fetched(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if _ISSUER.fullmatch(url) is None or not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _read_jwks(jwt: JwtConfig) -> "KeySet":
    from callgate.auth.jwks import MAX_BYTES, read_key_set

    try:
        descriptor = os.open(jwt.jwks, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            data = file.read(MAX_BYTES + 1) or b""
    except OSError as error:
        raise ValueError((error.strerror or "it cannot be read").lower()) from None
    return read_key_set(data, jwt.algorithms)


def _error(code: str, message: str, help: str | None = None) -> Diagnostic:
    return Diagnostic("error", code, message, help=help)
