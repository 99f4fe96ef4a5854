"""The strict reader of what an agent sends: what it returns is what the server will read, or it raises.

A frame that is its own canonical spelling is forwarded as it is; any other is re-spelled token by token (see
`careful`). Nothing ambiguous passes: duplicate keys, keys equal but for case, odd ids, batches, members that
JSON-RPC does not have, numbers on which readers disagree. Sources: JSON-RPC 2.0; MCP 2024-11-05 … 2026-07-28,
base protocol; RFC 8259. It must never forward bytes that it did not judge.
"""

from typing import Any, Literal, NoReturn

import msgspec
from msgspec import Raw, Struct

from callgate.errors import WireRefusal
from callgate.text import quote
from callgate.wire.bounds import MAX_DEPTH, check_bounds
from callgate.wire.careful import DoubtError, read_carefully
from callgate.wire.compact import compact, escape_line_ends
from callgate.wire.envelope import MAX_ID_LENGTH, RequestId, scan, trusted_id
from callgate.wire.values import MAX_VALUES, check_values
from callgate.wire.vocabulary import INVALID_PARAMS, INVALID_REQUEST, METHODS, PARSE_ERROR

MAX_METHOD_LENGTH = 128
MAX_TOOL_NAME_LENGTH = 256
# Beyond this a JavaScript server answers under another id than was asked (Number.MAX_SAFE_INTEGER).
MAX_SAFE_INTEGER = 2**53 - 1

_REQUEST_MEMBERS = frozenset(("jsonrpc", "id", "method", "params"))
_MEMBERS = _REQUEST_MEMBERS | {"result", "error"}
_NO_VERSION = 'the member `jsonrpc` is not "2.0"'
_NO_METHOD = f"the member `method` is not a printable string of 1 to {MAX_METHOD_LENGTH} ASCII characters"
_NO_TOOL_NAME = f"`params.name` is not a printable string of 1 to {MAX_TOOL_NAME_LENGTH} characters"
_LARGE = 4_096
# Orders in which the members of requests came; there are few enough to keep them all (at most 24).
_requests: set[tuple[str, ...]] = set()
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class ClientFrame(Struct, frozen=True, gc=False):
    """One frame that may be judged. `forward` is the only thing that may be sent on: one line, no newline.

    `message` is the whole decoded object, `params` its member (None if absent). Floats are those whose
    repr is what the sender wrote; any other number with a fraction or an exponent is a Decimal.
    `arguments` is the canonical JSON of `params.arguments` where it is large and was made on the way, else None.
    """

    kind: Literal["request", "notification", "response"]
    method: str | None
    id: RequestId | None
    params: dict[str, Any] | None
    message: dict[str, Any]
    forward: bytes
    arguments: bytes | None = None


def read_client_frame(line: bytes) -> ClientFrame:
    """Read one line, without its newline.

    Raises WireRefusal (and nothing else) with the JSON-RPC code -32700 for what is not JSON, -32602 for
    params that cannot be judged and -32600 for everything else.
    """
    try:
        if len(line) > MAX_VALUES:
            check_values(line)
        message = _decode(line)
        forward, arguments = (_encode(message), None) if len(line) < _LARGE else _spell(message)
        # Text that is its own re-encoding has no key twice, and no number that could be read in two ways.
        # That holds as well if only white space was in the way.
        if forward != line and forward != compact(line):
            message, forward = read_carefully(line)
            arguments = None
        check_bounds(message, forward)
    except DoubtError as doubt:
        _refuse_unread(line, doubt.code, doubt.message, INVALID_REQUEST)
    except RecursionError:
        _refuse_unread(line, "WIR006", f"the frame is nested deeper than {MAX_DEPTH} levels", INVALID_REQUEST)
    except UnicodeError:
        _refuse_unread(line, "WIR002", "the frame is not valid UTF-8", PARSE_ERROR)
    except msgspec.ValidationError:
        _refuse_unread(line, "WIR008", "a number in the frame is out of range", INVALID_REQUEST)
    except (msgspec.DecodeError, ValueError) as error:
        # The decoder's words name a position and never quote the frame.
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "JSON is malformed"
        _refuse_unread(line, "WIR001", f"the frame is not JSON: {reason}", PARSE_ERROR)
    if not line.isascii():
        forward = escape_line_ends(forward)
    return _read_members(message, forward, arguments)


def _spell(message: Any) -> tuple[bytes, bytes | None]:
    """The canonical JSON of `message`, and that of its arguments, which is hashed: each is written once."""
    params: Any = message.get("params") if type(message) is dict else None
    arguments = params.get("arguments") if type(params) is dict else None
    if type(arguments) is not dict:
        return _encode(message), None
    spelled = _encode(arguments)
    return _encode({**message, "params": {**params, "arguments": Raw(spelled)}}), spelled


def _read_members(message: dict[str, Any], forward: bytes, spelled: bytes | None) -> ClientFrame:
    names = tuple(message)
    if names not in _requests:
        if message.keys() <= _REQUEST_MEMBERS and "method" in message:
            _requests.add(names)
        else:
            return _read_response(message, forward)
    get = message.get
    if get("jsonrpc") != "2.0":
        _refuse(message, "WIR009", _NO_VERSION)
    method, request_id, params = get("method"), get("id"), get("params")
    if type(method) is not str or (method not in METHODS and not _is_method(method)):
        _refuse(message, "WIR011", _NO_METHOD)
    if request_id is None:
        if "id" in message:
            _refuse(message, "WIR010", "the id is null; a request has a string or an integer")
        if method == "tools/call":
            _refuse(message, "WIR014", "a `tools/call` without an id cannot be answered and is not forwarded")
    elif type(request_id) is int:
        if not -MAX_SAFE_INTEGER <= request_id <= MAX_SAFE_INTEGER:
            _refuse_id(message, request_id)
    elif type(request_id) is not str or len(request_id) > MAX_ID_LENGTH:
        _refuse_id(message, request_id)
    if params is None:
        if "params" in message:
            _refuse(message, "WIR012", "the member `params` is null, not an object", INVALID_PARAMS)
    elif type(params) is not dict:
        _refuse(message, "WIR012", "the member `params` is not an object", INVALID_PARAMS)
    if method == "tools/call":
        name, arguments = (None, None) if params is None else (params.get("name"), params.get("arguments"))
        if type(name) is not str or not 0 < len(name) <= MAX_TOOL_NAME_LENGTH or not name.isprintable():
            _refuse(message, "WIR013", _NO_TOOL_NAME, INVALID_PARAMS)
        if arguments is not None and type(arguments) is not dict:
            _refuse(message, "WIR013", "`params.arguments` is not an object", INVALID_PARAMS)
    kind = "notification" if request_id is None else "request"
    return ClientFrame(kind, method, request_id, params, message, forward, spelled)  # type: ignore[arg-type]


def _read_response(message: dict[str, Any], forward: bytes) -> ClientFrame:
    if not message.keys() <= _MEMBERS:
        unknown = next(key for key in message if key not in _MEMBERS)
        _refuse(message, "WIR009", f"the member {quote(unknown, 60)} does not belong in a JSON-RPC frame")
    if message.get("jsonrpc") != "2.0":
        _refuse(message, "WIR009", _NO_VERSION)
    if "method" in message:
        _refuse(message, "WIR009", "a frame with `method` cannot have `result` or `error`")
    has_error = "error" in message
    if has_error == ("result" in message) or "params" in message:
        _refuse(message, "WIR015", "a frame without `method` must have either `result` or `error`")
    if has_error and type(message["error"]) is not dict:
        _refuse(message, "WIR015", "the member `error` is not an object")
    request_id = message.get("id")
    # JSON-RPC 2.0, section 5: an error about a frame whose id could not be read has the id null.
    if not (_is_id(request_id) or (has_error and request_id is None)):
        _refuse_id(message, request_id)
    return ClientFrame("response", None, request_id, None, message, forward)


def _is_method(method: str) -> bool:
    return 0 < len(method) <= MAX_METHOD_LENGTH and method.isascii() and method.isprintable()


def _is_id(value: object) -> bool:
    if type(value) is int:
        return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER
    return type(value) is str and len(value) <= MAX_ID_LENGTH


def _refuse_id(message: dict[str, Any], value: object) -> NoReturn:
    if type(value) is int:
        _refuse(message, "WIR010", "the id is beyond 2^53 - 1, where servers stop telling integers apart")
    if type(value) is str:
        _refuse(message, "WIR010", f"the id is longer than {MAX_ID_LENGTH} characters")
    _refuse(message, "WIR010", "the id is neither a string nor an integer")


def _refuse(message: dict[str, Any], code: str, text: str, rpc_code: int = INVALID_REQUEST) -> NoReturn:
    # A frame with a method and an id, whatever the id is, waits for an answer; so does a call without an id.
    is_request = "method" in message and ("id" in message or message["method"] == "tools/call")
    is_reply = "result" in message or "error" in message
    answers = is_request or not (is_reply or "method" in message)
    raise WireRefusal(
        code, text, rpc_code=rpc_code, request_id=trusted_id(message.get("id")), expects_answer=answers
    )


def _refuse_unread(line: bytes, code: str, text: str, rpc_code: int) -> NoReturn:
    envelope = scan(line)
    raise WireRefusal(
        code, text, rpc_code=rpc_code, request_id=envelope.id, expects_answer=envelope.expects_answer
    ) from None
