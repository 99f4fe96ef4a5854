"""What a server's result is to a script, and how it is recorded.

A result is hostile: it is bounded, and becomes plain JSON or a failure. Nothing of it is checked against the tool's
output schema: a script that can read it may.
"""

import math
from typing import Any

import msgspec
from mcp import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_REQUEST,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    REQUEST_TIMEOUT,
    CallToolResult,
    InputRequiredResult,
)
from msgspec import Struct

from callgate.audit.record import Status
from callgate.gate.denial import Denial
from callgate.runner.answer import Answer, Failure, FailureKind
from callgate.runner.bridge.failures import shown

MAX_ANSWER = 16 << 20
"""Bytes of one value as JSON."""
MAX_DEPTH = 100
MAX_ERROR = 16 << 10
"""Characters of what a tool says of its own failure."""

_ASKS = "the tool asks the person or the model for something, and scripts cannot be asked"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Outcome(Struct, frozen=True):
    """The answer, and what the audit is told of the call."""

    answer: Answer
    status: Status
    rpc_code: int | None = None
    size: int | None = None


def of_result(result: Any) -> Outcome:
    """What the server answered."""
    if isinstance(result, InputRequiredResult):
        return Outcome(failed(_ASKS, "RUN080"), "input_required")
    if not isinstance(result, CallToolResult) or result.result_type != "complete":
        return Outcome(failed("the server's answer is none that a script can be given", "RUN081"), "unknown")
    if result.is_error:
        return Outcome(_tool_error(result), "tool_error")
    try:
        value = _value(result)
        size = _size(value)
    except (TypeError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _Unfit) else "it is not JSON"
        return Outcome(failed(f"the server's answer cannot be passed on: {why}", "RUN081"), "ok")
    return Outcome(Answer(value=value), "ok", size=size)


def of_error(error: MCPError, seconds: float) -> Outcome:
    """What the server answered instead of a result, or what was heard instead of an answer."""
    # Servers use these codes, too, for whatever they like.
    if error.code == REQUEST_TIMEOUT and error.message.startswith("Request "):
        return Outcome(failed(f"the server has not answered for {seconds:g} seconds", "UPS042"), "unknown")
    if error.code == CONNECTION_CLOSED and error.message.startswith(("Connection closed", "SSE stream ")):
        return Outcome(failed("the server ended before it answered", "UPS041"), "unknown")
    if error.code == INVALID_REQUEST and " not followed; " in error.message:
        return Outcome(failed("the server sends elsewhere, where no call goes", "UPS028"), "unknown")
    if error.code == MISSING_REQUIRED_CLIENT_CAPABILITY:
        return Outcome(failed(_ASKS, "RUN080"), "rpc_error", rpc_code=error.code)
    text = f"the server answered with an error: {shown(error.message)} ({error.code})"
    return Outcome(failed(text, "RUN082"), "rpc_error", rpc_code=error.code)


def denied(denial: Denial) -> Answer:
    """As a direct call is told."""
    return Answer(
        failure=Failure(
            kind="denied",
            message=denial.text,
            code=denial.code,
            rule=denial.rule or None,
            reason=denial.reason,
            retry_after=denial.retry_after,
            ran=False,
        )
    )


def failed(
    message: str,
    code: str,
    *,
    kind: FailureKind = "failed",
    ran: bool = True,
    retry_after: float | None = None,
) -> Answer:
    """No answer of a tool."""
    return Answer(failure=Failure(kind=kind, message=message, code=code, ran=ran, retry_after=retry_after))


MALFORMED = Outcome(failed("the server's answer does not follow the protocol", "UPS044"), "unknown")
"""It came, and cannot be read as what it was to be."""


class _Unfit(ValueError):
    """Why a value cannot be passed on."""


def _value(result: CallToolResult) -> Any:
    if result.structured_content is not None:
        return result.structured_content
    blocks = result.content
    if len(blocks) == 1 and blocks[0].type == "text":
        text = blocks[0].text
        if len(text) > MAX_ANSWER:
            raise _Unfit(f"it is larger than {MAX_ANSWER} bytes")
        try:
            return _decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return text
    return [block.model_dump(by_alias=True, mode="json", exclude_none=True) for block in blocks]


def _size(value: Any) -> int:
    """The size as JSON. Raises _Unfit for what is too large, too deep or no number, ValueError for odd text."""
    _check(value, MAX_DEPTH)
    size = len(_encode(value))
    if size > MAX_ANSWER:
        raise _Unfit(f"it is larger than {MAX_ANSWER} bytes")
    return size


def _check(value: Any, depth: int) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Unfit("it holds something that is no number")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise _Unfit(f"it is nested deeper than {MAX_DEPTH} levels")
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, depth - 1)


def _tool_error(result: CallToolResult) -> Answer:
    texts = [block.text for block in result.content if block.type == "text"]
    text = "\n".join(texts)[:MAX_ERROR].encode("utf-8", "replace").decode()
    return failed(text or "the tool failed and does not say why", "RUN083", kind="tool_error")
