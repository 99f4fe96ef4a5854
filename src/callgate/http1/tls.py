"""The listener's certificate: read from files, read again when they change. TLS 1.2 or later.

Bad files never touch what is served: a new pair is tried in a context of its own, and only a good one is used.
"""

import ssl
from contextlib import suppress
from typing import Final

from callgate.errors import UsageError
from callgate.filestate import look_at
from callgate.text import quote

_HELP: Final = (
    "give a PEM file with the certificate and its chain, and one with the matching key without a passphrase"
)


class Certificate:
    """A certificate and its key, as files. `context` is what a listener needs and stays the same object."""

    def __init__(self, cert_file: str, key_file: str) -> None:
        """Raises UsageError (HTTP030: cannot be read, HTTP031: is not a certificate with its key)."""
        self._files = (cert_file, key_file)
        self._state = self._look()
        self._current = self._load()
        self.context = _context()
        with suppress(ssl.SSLError):
            self.context.load_cert_chain(cert_file, key_file)
        # Asked in every handshake, with or without a server name; the outer context is only the door.
        self.context.sni_callback = self._choose

    def refresh(self) -> bool:
        """Take up changed files. Whether there was a change; raises UsageError and keeps the old pair if it is bad."""
        state = self._look()
        if state == self._state:
            return False
        self._current = self._load()
        self._state = state
        return True

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _look(self) -> tuple[object, ...]:
        return tuple(look_at(path) for path in self._files)

    def _load(self) -> ssl.SSLContext:
        for path in self._files:
            try:
                with open(path, "rb") as file:
                    file.read(1)
            except OSError as error:
                raise UsageError(
                    "HTTP030",
                    f"cannot read {quote(path)}: {(error.strerror or 'unknown error').lower()}",
                    _HELP,
                ) from None
        context = _context()
        cert, key = self._files
        try:
            context.load_cert_chain(cert, key, password=_no_passphrase)
        except (ssl.SSLError, OSError, ValueError):
            raise UsageError(
                "HTTP031", f"{quote(cert)} and {quote(key)} are not a certificate and its key", _HELP
            ) from None
        return context


def _no_passphrase() -> str:
    """Never ask the terminal for one."""
    return ""


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context
