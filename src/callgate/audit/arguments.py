"""What a decision record keeps of a call's arguments.

`hash` tells later whether two calls were the same and whether a claimed call was this one, and keeps no value
(short or guessable values can be found by trying; where that matters, leave the file to few readers).
`redacted` keeps names, types and lengths. `full` keeps everything, secrets included.
"""

from typing import Any, Literal

from msgspec import Raw

from callgate.audit.encode import clip
from callgate.audit.record import Arguments
from callgate.digest import fast, ready

ArgumentsMode = Literal["hash", "redacted", "full"]

MAX_NAMES = 64
_LARGE = 4096
MAX_NAME_LENGTH = 64
MAX_DEPTH = 4


def describe_arguments(arguments: dict[str, Any], raw: bytes, mode: ArgumentsMode) -> Arguments:
    """What to store in `DecisionRecord.arguments`.

    `raw` is the JSON of the arguments exactly as it is forwarded, `arguments` the same decoded. The hash is
    the SHA-256 of `raw`. A description names at most `MAX_NAMES` members in all, to a depth of `MAX_DEPTH`.
    """
    if mode == "hash":
        digest = ready() if len(raw) < _LARGE else fast()
        return "sha256:" + digest(raw).hexdigest()
    if mode == "full":
        return Raw(raw)
    return _describe_object(arguments, [MAX_NAMES], MAX_DEPTH)


def _describe_object(members: dict[str, Any], left: list[int], depth: int) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for position, (name, value) in enumerate(members.items()):
        if left[0] == 0:
            described["…"] = f"{len(members) - position} more"
            break
        left[0] -= 1
        described[clip(name, MAX_NAME_LENGTH)] = _describe(value, left, depth)
    return described


def _describe(value: Any, left: list[int], depth: int) -> Any:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"string of {len(value)}"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, dict):
        return f"object of {len(value)}" if depth == 1 else _describe_object(value, left, depth - 1)
    if isinstance(value, list):
        return f"array of {len(value)}"
    return "number"
