"""An execution as agents are told of it: structured content, and the same in few words. No I/O.

What a script printed or returned is its agent's own: the structured content has it as it is. In the text, which clients
show to people, control characters are made visible.
"""

import contextlib
import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from mcp_types import CallToolResult, TextContent

from callgate.runner.execution import Cause, Execution
from callgate.runner.jobs.contract import Refusal, View
from callgate.runner.server.output_text import OutputText, both_ends, output_text
from callgate.text import escape

MAX_TEXT = 100_000
"""Characters of each part of the text; what is structured has all."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_encoder = msgspec.json.Encoder()
_NOT_AGAIN = "tool calls already answered are not made again"

_HINTS: dict[Cause, str] = {
    "memory": "it needed more memory than it may; work on parts of the data",
    "cpu_time": "it used more processor time than it may; do less at once",
    "wall_clock": "it took longer than its `timeout`; use asyncExecuteCode without one, or do less at once",
    "output": "it printed too much; print less, return values by `output_vars`",
    "result_size": "its `output_vars` are too large; return less, such as a summary",
    "processes": "it started more threads or processes than it may",
    "disk": "it wrote more into its work folder than fits",
    "inodes": "it made more files than it may",
    "budget": "it made more tool calls than the policy allows one execution",
    "in_doubt_call": "find out whether the calls in `in_doubt_calls` took effect before you start it again",
    "diverged": "run again it made other calls than before; look at what its calls did before you start it again",
    "required_tools": "find what there is with searchTools",
}


def told(view: View, offset: int = 0, end: View | None = None) -> dict[str, Any]:
    """The structured content, with the output from `offset` on, or its beginning and its `end`. Members that say
    nothing are left out."""
    execution = view.execution
    output = output_text(view, offset) if end is None else both_ends(view, end)
    found: dict[str, Any] = {
        "execution_uuid": execution.uuid,
        "status": execution.status,
        "state": execution.state,
        "attempt": execution.attempt,
        "timings": timings(execution),
        "output": output.told,
        "inner_calls": {"made": execution.calls - execution.denied_calls, "denied": execution.denied_calls},
    }
    optional: dict[str, Any] = {
        "name": execution.spec.name,
        "cause": execution.cause,
        "progress": _some(fraction=execution.progress, text=execution.progress_text),
        "results": execution.results if execution.state == "completed" else None,
        "error": _error(execution),
        "usage": _usage(execution),
        "sandbox": _some(backend=execution.backend, tier=execution.tier),
        "in_doubt_calls": [
            {"call": call.seq, "function": call.function, "started_at": rfc3339(call.started_ms)}
            for call in view.in_doubt
        ]
        or None,
        "hint": _hint(execution, output),
    }
    if execution.state == "completed" and execution.results is None:
        optional["results"] = {}
    found.update({name: value for name, value in optional.items() if value is not None})
    return found


def answer(view: View, offset: int = 0, *, end: View | None = None, failure: bool = False) -> CallToolResult:
    """The whole answer; `failure`: whether an execution that did not complete makes the call a failed one."""
    content = told(view, offset, end)
    failed = failure and view.execution.ended and view.execution.state != "completed"
    return answered(content, execution_text(content), is_error=failed)


def answered(content: dict[str, Any], text: str, *, is_error: bool = False) -> CallToolResult:
    """An answer of structured content and text, both fit to be sent."""
    return CallToolResult(
        content=[TextContent(type="text", text=_sendable(text))],
        structured_content=_sendable(content),
        is_error=is_error,
    )


def refused(refusal: Refusal) -> CallToolResult:
    """The answer to a call that was not acted upon."""
    content = {
        "code": refusal.code,
        **_present(message=refusal.message, line=refusal.line, column=refusal.column, help=refusal.help),
    }
    place = "" if refusal.line is None else f"line {refusal.line}"
    if place and refusal.column is not None:
        place += f", column {refusal.column}"
    text = f"refused [{refusal.code}]: {place + ': ' if place else ''}{refusal.message}"
    if refusal.help:
        text += f"\nhelp: {refusal.help}"
    return answered({"refused": content}, text, is_error=True)


def execution_text(content: dict[str, Any]) -> str:
    """The same in few words."""
    state, status = content["state"], content["status"]
    head = f"{status}{f' ({state})' if state != status else ''}"
    if "cause" in content:
        head += f": {content['cause']}"
    if "run_ms" in content["timings"]:
        head += f", ran {content['timings']['run_ms'] / 1000:.1f} s"
    lines = [head, f"execution_uuid: {content['execution_uuid']}"]
    attempt = content["attempt"]
    if state == "queued" and attempt:
        lines.append(f"its worker was lost (attempt {attempt}): it waits to be started again; {_NOT_AGAIN}")
    elif attempt > 1:
        lines.append(f"started again (attempt {attempt}): its worker was lost; {_NOT_AGAIN}")
    progress = content.get("progress", {})
    if status == "running" and progress:
        share = f"{progress['fraction']:.0%} " if "fraction" in progress else ""
        lines.append(f"progress: {share}{progress.get('text', '')}")
    if "error" in content:
        lines += _error_lines(content["error"])
    lines += [
        f"in doubt: call {call['call']}, {call['function']}, begun {call['started_at']}"
        for call in content.get("in_doubt_calls", ())
    ]
    if content.get("results"):
        lines.append(f"results: {_cut(json.dumps(content['results'], ensure_ascii=False))}")
    for stream in ("stdout", "stderr"):
        if content["output"][stream]:
            lines.append(f"{stream}:\n{_cut(content['output'][stream])}")
    if content["output"]["dropped"]:
        lines.append(f"({content['output']['dropped']} bytes of output were not kept)")
    if "hint" in content:
        lines.append(f"next: {content['hint']}")
    return _shown("\n".join(lines))


def timings(execution: Execution) -> dict[str, Any]:
    """When it was accepted, begun and ended, as far as that is known and has happened."""
    created, started, ended = execution.created_ms, execution.started_ms, execution.ended_ms
    return _present(
        created_at=rfc3339(created) if created else None,
        started_at=None if started is None else rfc3339(started),
        ended_at=None if ended is None else rfc3339(ended),
        # The clock of a journal may be set back in between.
        queue_ms=None if started is None or not created else max(0, started - created),
        run_ms=None if started is None or ended is None else max(0, ended - started),
    )


def rfc3339(milliseconds: int) -> str:
    """A time in milliseconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _hint(execution: Execution, output: OutputText) -> str | None:
    next_offset = output.next_offset
    if not execution.ended:
        return (
            f'call checkCodeExecStatus with execution_uuid="{execution.uuid}", output_offset={next_offset}, '
            "wait_seconds=30"
        )
    parts = []
    if execution.cause is not None and execution.cause in _HINTS:
        parts.append(_HINTS[execution.cause])
    if "omitted" in output.told:
        begin = output.told["omitted"]["offset"]
        parts.append(
            f"the output between beginning and end: call checkCodeExecStatus with output_offset={begin}"
        )
    if execution.output_bytes > next_offset:
        parts.append(f"there is more output: call checkCodeExecStatus with output_offset={next_offset}")
    if execution.tier not in (None, "sandbox"):
        parts.append(f"it ran behind weaker walls than usual (tier `{execution.tier}`)")
    return "; ".join(parts) or None


def _error(execution: Execution) -> dict[str, Any] | None:
    error = execution.error
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "traceback": [
            {"line": line.line, "function": line.function, "text": line.text} for line in error.traceback
        ],
        **_present(
            line=error.line if (error.line or 0) > 0 else None,
            column=error.column if (error.column or 0) > 0 else None,
            help=error.help,
        ),
    }


def _error_lines(error: dict[str, Any]) -> list[str]:
    lines = [f"  line {line['line']} in {line['function']}: {line['text']}" for line in error["traceback"]]
    at = f" (line {error['line']})" if "line" in error and not lines else ""
    lines.append(_cut(f"{error['type']}: {error['message']}{at}"))
    if "help" in error:
        lines.append(f"help: {error['help']}")
    return ["error:", *lines]


def _usage(execution: Execution) -> dict[str, Any] | None:
    usage = execution.usage
    if usage is None:
        return None
    return _some(wall_ms=usage.wall_ms, cpu_ms=usage.cpu_ms, peak_memory=usage.peak_memory)


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _some(**members: Any) -> dict[str, Any] | None:
    return _present(**members) or None


def _shown(text: str) -> str:
    """The text without what could move a terminal's cursor, or the order of its characters; lines and tabs stay."""
    return _CONTROL.sub(lambda found: escape(found[0]), text)


def _cut(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}\n({len(text) - MAX_TEXT} more characters: see the structured content)"


def _sendable(value: Any) -> Any:
    """The value with every half of a surrogate pair replaced: such a text could not be sent at all."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        # Where there is none, as nearly always, this finds out a hundred times faster than a walk.
        _encoder.encode(value)
        return value
    return _without_halves(value)


def _without_halves(value: Any) -> Any:
    if type(value) is str:
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if type(value) is dict:
        return {_without_halves(name): _without_halves(each) for name, each in value.items()}
    if type(value) is list or type(value) is tuple:
        return [_without_halves(each) for each in value]
    return value
