"""The arguments of a script's call, as exactly the JSON that is judged and sent: or refused.

What is judged is what is executed. A value that JSON cannot hold, or that two readers could read in two ways, is
never rounded, dropped or guessed at.
"""

from typing import Any

import msgspec

from callgate.errors import WireRefusal
from callgate.wire.strict import read_client_frame

_encode = msgspec.json.Encoder().encode
_NO_JSON = (
    "the arguments hold something that JSON cannot (only text, numbers, booleans, None, lists and dicts)"
)


class Unsendable(Exception):
    """Why these arguments cannot be sent, under the code of the strict reader."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def exact(tool: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The arguments as the strict reader reads them, and their canonical JSON.

    All that a direct call is refused for is refused here: depth, look-alike keys, numbers out of range, odd tool
    names. Raises Unsendable.
    """
    try:
        spelled = _encode(arguments)
        frame = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%b,"arguments":%b}}'
        read = read_client_frame(frame % (_encode(tool), spelled))
    except WireRefusal as refusal:
        raise Unsendable(refusal.code, refusal.message) from None
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        raise Unsendable("RUN061", _NO_JSON) from None
    params = read.params or {}
    found: dict[str, Any] = params["arguments"]
    # The encoder writes NaN as null, bytes and dates as text, and number keys as text.
    if found != arguments:
        raise Unsendable("RUN061", _NO_JSON)
    return found, spelled
