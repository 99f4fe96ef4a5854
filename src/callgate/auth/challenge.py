"""What a caller is told who is not let in: status, `WWW-Authenticate`, and a small JSON body.

RFC 6750 section 3, RFC 9728 section 5.1, and the authorization chapters of MCP 2025-11-25 and 2026-07-28. Every
text in here is the gate's own or the operator's: nothing that the caller sent is ever part of an answer.
"""

import re
from typing import Literal

from msgspec.json import encode

from callgate.auth.protected_resource import metadata_url
from callgate.config.model import AuthConfig
from callgate.http1.contract import Header, HttpRefusal

Error = Literal["invalid_request", "invalid_token", "insufficient_scope"]

_STATUS: dict[Error | None, int] = {
    None: 401,
    "invalid_request": 400,
    "invalid_token": 401,
    "insufficient_scope": 403,
}

_MCP_PATH = re.compile(r"/([A-Za-z0-9][A-Za-z0-9._-]{0,127})/mcp", re.ASCII)


class Denied(Exception):
    """Why a credential is not accepted: a stable code and one line without a word of the caller's.

    `error` is RFC 6750's word for it, None if there was no credential at all.
    """

    def __init__(self, code: str, text: str, error: Error | None = "invalid_token") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.error = error


class Unavailable(Exception):
    """The gate itself cannot tell: `retry_after` seconds may help."""

    def __init__(self, code: str, text: str, retry_after: int) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.retry_after = retry_after


class Challenges:
    """Turns a denial into the refusal that fits the request's path."""

    def __init__(self, config: AuthConfig) -> None:
        self._config = config
        self._scopes = " ".join(dict.fromkeys(each for jwt in config.jwt for each in jwt.required_scopes))

    def refusal(self, denied: Denied, path: str) -> HttpRefusal:
        """The answer to a request for `path` (raw, as sent)."""
        body: dict[str, str] = {"code": denied.code, "error_description": denied.text}
        if denied.error is not None:
            body = {"error": denied.error, **body}
        header = (b"www-authenticate", self._challenge(denied, path).encode("ascii"))
        return _refusal(_STATUS[denied.error], body, (header, _NO_STORE))

    @staticmethod
    def unavailable(unavailable: Unavailable) -> HttpRefusal:
        """A 503: the credential may be good, the gate cannot tell."""
        body = {"code": unavailable.code, "error_description": unavailable.text}
        return _refusal(503, body, ((b"retry-after", b"%d" % unavailable.retry_after), _NO_STORE))

    def _challenge(self, denied: Denied, path: str) -> str:
        parts: list[str] = []
        if denied.error is not None:
            parts = [f'error="{denied.error}"', f'error_description="{denied.text}"']
        if self._scopes and denied.error != "invalid_request":
            parts.append(f'scope="{self._scopes}"')
        found = _MCP_PATH.fullmatch(path)
        url = metadata_url(self._config, found[1] if found else None)
        if url is not None:
            parts.append(f'resource_metadata="{url}"')
        # RFC 6750 wants at least one parameter.
        return "Bearer " + (", ".join(parts) or 'realm="callgate"')


_NO_STORE: Header = (b"cache-control", b"no-store")


def _refusal(status: int, body: dict[str, str], headers: tuple[Header, ...]) -> HttpRefusal:
    code, reason = body["code"], body["error_description"]
    return HttpRefusal(status, encode(body), headers=headers, code=code, reason=reason)
