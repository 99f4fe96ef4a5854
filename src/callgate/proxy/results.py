"""What a server's answers come to, whichever way they travel: outcomes, and lists without hidden tools. No I/O."""

from collections.abc import Callable

from callgate.audit.record import Status
from callgate.policy.compile import Policy
from callgate.wire import replies, toolslist
from callgate.wire.server import ServerFrame, call_result

TTL_MS = 30_000
"""How long a filtered list may be cached at most, so that a changed policy is seen."""

UNREADABLE_LIST = "the server's list of tools cannot be read, so hidden tools cannot be told from others"
UNASKED_LIST = "the server sent a list of tools that was not asked for and cannot be read; it is dropped"


def call_status(frame: ServerFrame, *, modern: bool) -> tuple[Status, str | None]:
    """What came of a tools/call, and the id of the task that goes on, if one does."""
    if frame.result is None:
        return "rpc_error", None
    said = call_result(frame.result)
    if modern and said.kind not in (None, "complete"):
        return ("task", said.task) if said.kind == "task" else ("input_required", None)
    return ("tool_error" if said.is_error else "ok"), None


def visible_list(
    frame: ServerFrame,
    policy: Policy,
    learn: Callable[[list[toolslist.ListedTool], bool], None],
    *,
    modern: bool,
) -> bytes | None:
    """The answer to tools/list without hidden tools; `learn` gets its tools and whether this is the last page.

    None if it cannot be read although something is hidden.
    """
    if frame.result is None:
        return frame.forward
    listed = toolslist.read_tools_list(frame.result)
    hides = policy.hides_anything
    if listed is None:
        return None if hides else frame.forward
    learn(listed.tools, listed.next_cursor is None)
    if not hides:
        return frame.forward
    result = toolslist.without(listed, policy.hides, private=modern, max_ttl_ms=TTL_MS)
    return replies.result_reply(frame.id, result)  # type: ignore[arg-type]


def unasked_answer(frame: ServerFrame, policy: Policy) -> bytes | None:
    """An answer to no open request, which may still be taken for a list of tools; None if it must be dropped."""
    if frame.result is None or not policy.hides_anything:
        return frame.forward
    listed = toolslist.read_tools_list(frame.result)
    if listed is not None:
        result = toolslist.without(listed, policy.hides)
        return replies.result_reply(frame.id, result)  # type: ignore[arg-type]
    return None if toolslist.names_tools(frame.result) else frame.forward
