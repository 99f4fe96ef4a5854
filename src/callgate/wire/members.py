"""Change one member of a message and leave every other byte of its values as it was.

Only the objects on the way to the member are written anew (without white space between their members, and a
name that stands twice once, with its last value). It must never be used to look into a message.
"""

import msgspec
from msgspec import Raw

from callgate.wire.compact import escape_line_ends

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


def set_member(text: bytes | Raw, path: tuple[str, ...], value: bytes) -> bytes:
    """`text`, a JSON object, with the JSON `value` at `path`. All but the last name of the path must be there.

    Raises ValueError if that is not so (msgspec's errors are of that kind), RecursionError if it is nested too deep.
    """
    changed = _set(text, path, value)
    return changed if changed.isascii() else escape_line_ends(changed)


def _set(text: bytes | Raw, path: tuple[str, ...], value: bytes) -> bytes:
    members = _members(text)
    name = path[0]
    if len(path) == 1:
        members[name] = Raw(value)
    elif name in members:
        members[name] = Raw(_set(members[name], path[1:], value))
    else:
        raise ValueError("there is no such member")
    return _encode(members)
