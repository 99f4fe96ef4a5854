"""What the session remembers of requests that were forwarded and are not yet answered."""

from enum import IntEnum

from msgspec import Struct

from callgate.gate.call import Admission
from callgate.wire.strict import ClientFrame


class Kind(IntEnum):
    """Which kind of answer is due."""

    PASS = 0
    CALL = 1
    LIST = 2
    INITIALIZE = 3
    LISTEN = 4


class Pending(Struct, gc=False):
    """One request in flight. A list that was `cancelled` stays: it must be filtered if it comes after all.

    `first_page` and `tools_changed` speak of tools/list and subscriptions/listen only. What is `parked` holds the
    place of a call that the server has not got yet. `alias` is the name under which a hidden tool was asked for.
    """

    kind: Kind
    modern: bool = False
    admission: Admission | None = None
    first_page: bool = True
    tools_changed: bool = False
    cancelled: bool = False
    parked: bool = False
    alias: bytes | None = None


class Parked(Struct, frozen=True):
    """A call that waits until its tool's input schema is known."""

    frame: ClientFrame
    modern: bool
