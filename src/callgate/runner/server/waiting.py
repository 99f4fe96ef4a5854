"""Waits for the end of an execution on behalf of a call, and tells its client of progress meanwhile."""

import asyncio

import anyio

from callgate.runner.execution import Execution, Owner
from callgate.runner.jobs.contract import Engine, View
from callgate.runner.server.tasks import Context
from callgate.runner.server.under_way import UnderWay

_LOOK = 2.0
"""Seconds after which a change that came between two looks is seen."""
_PAUSE = 0.2
"""Seconds between two looks: a script may write without end."""


async def outcome(
    engine: Engine, under_way: UnderWay, context: Context, owner: Owner, uuid: str, seconds: float
) -> View | None:
    """How it stands at its end, or after `seconds`. None: nobody knows it any more.

    If the call is cancelled, so is the execution, unless it is the server that ends.
    """
    try:
        async with asyncio.timeout(seconds):
            if "progress_token" in (context.meta or {}):
                await _followed(engine, context, owner, uuid)
            else:
                return await engine.finished(owner, uuid)
    except TimeoutError:
        pass
    except asyncio.CancelledError:
        if not under_way.ending:
            with anyio.CancelScope(shield=True):
                await engine.cancel(owner, uuid)
        raise
    return await engine.view(owner, uuid)


async def _followed(engine: Engine, context: Context, owner: Owner, uuid: str) -> None:
    shown = None
    view = await engine.view(owner, uuid)
    while view is not None and not view.execution.ended:
        shown = await _show(context, view.execution, shown)
        await asyncio.sleep(_PAUSE)
        offset = view.execution.output_bytes
        view = await engine.view(owner, uuid, offset=offset, wait_seconds=_LOOK)


async def _show(
    context: Context, execution: Execution, shown: tuple[float, str | None] | None
) -> tuple[float, str | None] | None:
    if execution.progress is None and execution.progress_text is None:
        return shown
    # Progress must grow; a script may say anything.
    fraction = max(execution.progress or 0.0, shown[0] if shown else 0.0)
    if (fraction, execution.progress_text) != shown:
        await context.session.report_progress(fraction, 1.0, execution.progress_text)
    return fraction, execution.progress_text
