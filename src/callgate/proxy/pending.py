"""What the session remembers of requests that were forwarded and are not yet answered."""

from enum import IntEnum
from typing import Any

from callgate.gate.admit import Admission


class Kind(IntEnum):
    """Which kind of answer is due."""

    PASS = 0
    CALL = 1
    LIST = 2
    INITIALIZE = 3
    LISTEN = 4


class Pending:
    """One request in flight. `alias` is the name under which a hidden tool was asked for."""

    __slots__ = ("admission", "alias", "first_page", "kind", "modern", "tools_changed")

    def __init__(self, kind: Kind, *, modern: bool = False, admission: Admission | None = None) -> None:
        self.kind = kind
        self.modern = modern
        self.admission = admission
        self.alias: str | None = None
        self.first_page = True
        self.tools_changed = False


class Parked:
    """A call that waits until its tool's input schema is known."""

    __slots__ = ("frame", "modern")

    def __init__(self, frame: Any, *, modern: bool) -> None:
        self.frame = frame
        self.modern = modern
