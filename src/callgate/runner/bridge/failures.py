"""Why a server gave no answer, in words fit for an agent: bounded, escaped, and without anything secret."""

import ssl

import httpx2
from mcp import MCPError

from callgate.errors import CallgateError
from callgate.text import escape

_SHOWN = 500


class Unreachable(Exception):
    """There is no connection: nothing was sent. `retry_after` in seconds where it is known."""

    def __init__(self, why: str, code: str = "UPS020", retry_after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.retry_after = retry_after


def shown(text: str) -> str:
    """A server's own words, bounded and escaped."""
    return escape(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def why(error: BaseException) -> str:
    """What ended a connection. Addresses, headers and file names are not repeated."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, CallgateError):
        return error.message
    if isinstance(error, MCPError):
        return f"the server refuses to begin: {shown(error.message)}"
    if isinstance(error, httpx2.ConnectTimeout):
        return "the server cannot be reached in time"
    if isinstance(error, httpx2.ConnectError):
        return "no secure connection to the server" if _is_tls(error) else "the server cannot be reached"
    if isinstance(error, httpx2.HTTPError):
        return "the server broke off"
    if isinstance(error, ssl.SSLError):
        return "no secure connection to the server"
    if isinstance(error, OSError):
        return f"the server cannot be started: {(error.strerror or 'system error').lower()}"
    return f"the connection failed ({type(error).__name__})"


def _is_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) or "CERTIFICATE_VERIFY" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
