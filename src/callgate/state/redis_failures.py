"""Which failure of a Redis server is which code. Shows the server's words escaped and cut short, no secret."""

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from callgate.errors import StateError
from callgate.text import escape

ELSEWHERE = (ReadOnlyError, MasterDownError, ClusterDownError)
"""Answers after which another server may be the right one."""

NOT_DONE = (NoScriptError, MovedError)
"""Answers that say that nothing was done and the same call may be made again, elsewhere or with the script."""

_LOGIN = (AuthenticationError, AuthorizationError, NoPermissionError)
_NOT_READY = (*ELSEWHERE, BusyLoadingError, TryAgainError)
_RETRY = "later calls try again by themselves"
_LONGEST = 200


def unreachable(shown: str, error: Exception) -> StateError:
    """No connection, or it broke in a way that says why."""
    return StateError(
        "STA020",
        f"cannot reach state store `{shown}`: {_words(error)}",
        f"start the server, or correct the URL; {_RETRY}",
    )


def dropped(shown: str) -> StateError:
    """The connection ended before the answer came."""
    return StateError(
        "STA020",
        f"state store `{shown}` closed the connection",
        f"look at the server's log; {_RETRY}",
    )


def stalled(shown: str, seconds: float) -> StateError:
    """No answer in time."""
    return StateError(
        "STA021",
        f"state store `{shown}` gave no answer within {seconds:g} s",
        f"look at the server's load, or allow more with `?timeout=`; {_RETRY}",
    )


def answer_failure(shown: str, error: Exception) -> StateError:
    """The server's answer was an error."""
    store, words = f"state store `{shown}`", _words(error)
    if isinstance(error, _LOGIN):
        return StateError(
            "STA022",
            f"{store} does not let this gate in: {words}",
            "correct the user and the password, or what the user may do",
        )
    if isinstance(error, MovedError):
        return StateError("STA023", f"{store} moves between the servers of a cluster: {words}", _RETRY)
    if isinstance(error, _NOT_READY):
        return StateError(
            "STA023", f"{store} cannot be written now: {words}", f"wait for its failover or start; {_RETRY}"
        )
    if isinstance(error, OutOfMemoryError):
        return StateError("STA024", f"{store} is full: {words}", f"raise its `maxmemory`; {_RETRY}")
    if isinstance(error, ResponseError):
        return _of_script(store, words)
    return unreachable(shown, error)


def odd_answer(shown: str, what: str) -> StateError:
    """The server's answer is none that the script gives."""
    return StateError("STA029", f"state store `{shown}` gave an odd answer: {what}", "is it a Redis server?")


def lost(shown: str, seconds: float) -> StateError:
    """Counters were lost, and for so long they could still have counted."""
    return StateError(
        "STA026",
        f"state store `{shown}` has lost its counters: this limit is closed for another {seconds:.0f} s",
        "wait, or restart the gates with `?after_loss=continue` to begin at zero",
        retry_after=seconds,
    )


def _of_script(store: str, words: str) -> StateError:
    _, ours, what = words.partition("CALLGATE ")
    if ours and what.startswith("VANISHED"):
        return StateError(
            "STA027",
            f"a counter of {store} was removed while it still counted",
            "set the server's `maxmemory-policy` to `noeviction`",
        )
    if ours and what.startswith("FORMAT"):
        return StateError(
            "STA006",
            f"{store} has format {what[7:].split(' ')[0] or 'unknown'}, this callgate knows format 1",
            "run the newer callgate, or give this one a prefix of its own with `?prefix=`",
        )
    if ours:
        what = what.removeprefix("DAMAGED ").split(" script:")[0].split(", on ")[0]
        return _damaged(store, what)
    if "WRONGTYPE" in words:
        return _damaged(store, "another program uses its keys")
    if "READONLY" in words or "NOREPLICAS" in words or "MASTERDOWN" in words:
        return StateError(
            "STA023", f"{store} cannot be written now: {words}", f"wait for its failover; {_RETRY}"
        )
    if "OOM" in words:
        return StateError("STA024", f"{store} is full: {words}", f"raise its `maxmemory`; {_RETRY}")
    return StateError("STA029", f"{store} failed: {words}", _RETRY)


def _damaged(store: str, what: str) -> StateError:
    return StateError(
        "STA025", f"{store} is damaged: {what}", "give callgate a prefix or a database of its own"
    )


def _words(error: Exception) -> str:
    text = escape(str(error)) or type(error).__name__
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
