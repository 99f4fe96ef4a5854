"""Session and task ids that say whose they are: sealed, so that nobody else can use, change or make one.

A session id carries what is needed to go on with the session, encrypted, so any gate with the same secret can,
and none has to remember it. Opening one never raises and tells nobody why it failed.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cached_property
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_TOKEN = 4096
_NONCE = 12
_MAC = 16


class SealedSession(Struct, frozen=True, array_like=True):
    """One session of a handshake era.

    `lane` names it in limits, in the audit and for the server's child; `upstream` is what the server itself calls it
    (None: a child); `begun` in seconds since 1970; `home` names the process that holds its child, "" if any process
    can go on with it.
    """

    lane: str
    upstream: str | None
    begun: int
    home: str = ""


_decode = msgspec.json.Decoder(SealedSession).decode


class Seal:
    """Seals with a key derived from `secret` (32 random bytes or more; anything shorter is refused elsewhere)."""

    def __init__(self, secret: bytes) -> None:
        self._session_key = sha256(b"callgate session\0" + secret).digest()
        self._mac_key = sha256(b"callgate task\0" + secret).digest()

    @cached_property
    def _cipher(self) -> "AESGCM":
        # Costs megabytes; clients of 2026-07-28 have no sessions.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._session_key)

    def session(self, session: SealedSession, server: str, identity: str) -> str:
        """The Mcp-Session-Id of `session`, good for this server and this caller only."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, msgspec.json.encode(session), _bound(server, identity))
        return urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open_session(self, token: str, server: str, identity: str) -> SealedSession | None:
        """What `session` sealed; None if it is not ours, or for another server or caller."""
        if len(token) > MAX_TOKEN or not token.isascii():
            return None
        from cryptography.exceptions import InvalidTag

        try:
            data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            if len(data) <= _NONCE or urlsafe_b64encode(data).rstrip(b"=") != token.encode():
                return None
            return _decode(self._cipher.decrypt(data[:_NONCE], data[_NONCE:], _bound(server, identity)))
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            return None

    def task(self, task: str, server: str, identity: str, tool: str) -> str:
        """The task id that the caller is given: the server's own, with whose it is and of which tool."""
        bound = urlsafe_b64encode(tool.encode()).rstrip(b"=").decode()
        return f"{task}~{bound}~{self._task_mac(task, server, identity, tool)}"

    def open_task(self, sealed: str, server: str, identity: str) -> tuple[str, str] | None:
        """The server's own task id and the tool's name; None if it is not this caller's."""
        task, _, rest = sealed.rpartition("~")
        task, found, bound = task.rpartition("~")
        if not found:
            return None
        try:
            tool = urlsafe_b64decode(bound + "=" * (-len(bound) % 4)).decode()
            mac = self._task_mac(task, server, identity, tool)
        except (ValueError, UnicodeError):
            return None
        # Compared as bytes: a hostile one need not be ASCII.
        return (task, tool) if compare_digest(mac.encode(), rest.encode("utf-8", "replace")) else None

    def _task_mac(self, task: str, server: str, identity: str, tool: str) -> str:
        text = msgspec.json.encode([task, server, identity, tool])
        digest = blake2b(text, key=self._mac_key, digest_size=_MAC).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bound(server: str, identity: str) -> bytes:
    return msgspec.json.encode([server, identity])
