"""What uv complains of → what an agent is told. No I/O.

uv's text holds what strangers wrote (an index, a package's metadata), addresses and paths: only parts that are
recognised are passed on, escaped and short, without addresses and paths.
"""

import re
import signal

from callgate.errors import PackagesError
from callgate.runner.packages.requirement import similar
from callgate.runner.packages.uv_process import Finished
from callgate.text import quote

_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)"
_MISSING = (
    re.compile(rf"Because {_NAME} was not found in the package registry"),
    re.compile(rf"Because {_NAME} was not found in the provided package locations"),
    re.compile(
        rf"(?:And because|and) {_NAME} was not found in the (?:package registry|provided package locations)"
    ),
)
_NO_WHEEL = (
    re.compile(rf"all versions of {_NAME} have no (?:usable )?wheels"),
    re.compile(rf"{_NAME}(?:[<>=!~][^ ]*)? has no (?:usable )?wheels"),
    re.compile(rf"Wheels are (?:required|available) for `{_NAME}`"),
)
_NO_VERSION = (
    re.compile(
        rf"only (?:the following versions of )?{_NAME}(?:\[[^]]*\])?[<>=!~, ][^,\n]* (?:is|are) available"
    ),
    re.compile(rf"there (?:is|are) no versions? of {_NAME}"),
)
_CONFLICT = "No solution found"
_DISK = ("No space left on device", "Disk quota exceeded")
# By the signal, as the shell and bubblewrap tell it, and as a parent sees it.
_KILLED_BY_SIZE = (128 + signal.SIGXFSZ, -signal.SIGXFSZ)
_TOO_LARGE = ("File too large", "os error 27")
_UNREACHABLE = (
    *("error sending request", "Failed to fetch", "dns error", "tcp connect error", "Could not connect"),
    *("HTTP status server error", "HTTP status client error", "operation timed out", "Network connectivity"),
)
_UNSAFE = (
    "path traversal",
    "outside of the target",
    "escape",
    "invalid path",
    "Invalid zip",
    "unsafe",
    "RECORD",
)
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+|(?<![\w.])/\S+")
_DETAIL = 400
_ASK_OTHERS = "ask for other packages or versions"


def failure(finished: Finished) -> PackagesError:
    """The error for a uv that failed, whatever it was doing."""
    text = finished.err
    flat = " ".join(text.split())
    if any(word in text for word in _DISK):
        return PackagesError("PKG016", "packages cannot be kept: no space is left", "the operator makes room")
    if finished.status in _KILLED_BY_SIZE or any(word in text for word in _TOO_LARGE):
        return too_large()
    if "Hash mismatch" in text:
        return PackagesError(
            "PKG015",
            "what the index delivered is not what it had announced: a hash does not match",
            "try again; if it stays so, the operator looks into the index",
        )
    if _CONFLICT in text:
        return _unsatisfiable(flat)
    if any(word in text for word in _UNREACHABLE):
        return PackagesError(
            "PKG010",
            "the package index cannot be reached, or answers with an error",
            "try again later, or leave `additional_imports` empty",
        )
    if any(word in text for word in _UNSAFE):
        return PackagesError(
            "PKG017", "one of the packages is damaged, or would write outside its folder", _ASK_OTHERS
        )
    return PackagesError("PKG013", f"the packages cannot be installed{_told(flat)}", _ASK_OTHERS)


def too_large() -> PackagesError:
    return PackagesError(
        "PKG009", "the packages are larger than the operator allows", "ask for fewer or smaller packages"
    )


def _unsatisfiable(flat: str) -> PackagesError:
    name = _first(_MISSING, flat)
    if name:
        other = similar(name)
        return PackagesError(
            "PKG006",
            f"no package {quote(name)} exists on the index",
            f"did you mean {quote(other)}?"
            if other
            else "look the name up: it may differ from that of the module",
        )
    name = _first(_NO_WHEEL, flat)
    if name:
        return PackagesError(
            "PKG007",
            f"{quote(name)} has no wheel for this platform, and nothing is built from source",
            "ask for another version, or another package that comes as a wheel",
        )
    name = _first(_NO_VERSION, flat)
    if name and "depends on" not in flat:
        return PackagesError(
            "PKG018",
            f"no version of {quote(name)} fits what is asked for{_told(flat)}",
            "loosen the versions",
        )
    return PackagesError("PKG008", f"the packages contradict each other{_told(flat)}", "loosen the versions")


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> str | None:
    return next((found["name"] for pattern in patterns if (found := pattern.search(text))), None)


def _told(flat: str) -> str:
    """uv's own reason, where it has the form of one."""
    found = re.search(r"(?:cause: )(Because .*?)(?: hint: |$)", flat)
    return f": {quote(_ADDRESS.sub('…', found[1]), _DETAIL)}" if found else ""
