"""To which request a server's notification belongs, as far as it says so itself.

The server is hostile: reading never raises, and what has the wrong type is not there.
"""

from typing import Any

import msgspec
from msgspec import Struct, field

from callgate.wire.envelope import RequestId

SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


class Address(Struct, frozen=True):
    """`request` is what a `notifications/cancelled` names."""

    progress_token: RequestId | None = None
    request: RequestId | None = None
    subscription: RequestId | None = None


class _Meta(Struct):
    subscription: Any = field(default=None, name=SUBSCRIPTION_ID)


class _Params(Struct, rename="camel"):
    progress_token: Any = None
    request_id: Any = None
    meta: Any = field(default=None, name="_meta")


class _Notification(Struct):
    params: _Params = field(default_factory=_Params)


class _Result(Struct):
    meta: _Meta = field(default_factory=_Meta, name="_meta")


class _Error(Struct):
    data: Any = None


class _Response(Struct):
    error: _Error = field(default_factory=_Error)


_notification = msgspec.json.Decoder(_Notification).decode
_result = msgspec.json.Decoder(_Result).decode
_response = msgspec.json.Decoder(_Response).decode


def address(notification: bytes) -> Address:
    """The address on a notification."""
    try:
        params = _notification(notification).params
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Address()
    meta = params.meta
    subscription = meta.get(SUBSCRIPTION_ID) if type(meta) is dict else None
    return Address(_id(params.progress_token), _id(params.request_id), _id(subscription))


def result_subscription(result: bytes | msgspec.Raw) -> RequestId | None:
    """The subscription that a result names in its `_meta`."""
    try:
        return _id(_result(result).meta.subscription)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def supported_versions(response: bytes) -> tuple[str, ...]:
    """The versions that an error -32022 names, bounded; none if it names none."""
    try:
        data = _response(response).error.data
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ()
    supported = data.get("supported") if type(data) is dict else None
    if type(supported) is not list:
        return ()
    return tuple(text for text in supported[:20] if type(text) is str and len(text) <= 40 and text.isascii())


def _id(value: Any) -> RequestId | None:
    return value if type(value) in (int, str) else None
