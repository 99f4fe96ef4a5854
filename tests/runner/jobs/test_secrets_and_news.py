"""What an execution says of itself: never a granted secret, whole or cut off; and news only where there are any."""

import asyncio
from pathlib import Path
from typing import Any

from engine_play import OWNER, playing

from callgate.runner.answer import Answer, Failure
from callgate.runner.execution import Spec

SECRET = "hunter2-secret-value"  # noqa: S105
PARTS = [SECRET[:length] for length in range(4, len(SECRET) + 1)]

_NAMED = """
s = secrets["TOK"]
def f(): raise type(s, (Exception,), {})("x" * 3990 + s)
f.__code__ = f.__code__.replace(co_name=s, co_qualname="y" * 190 + s)
f()
"""

_FORGED = """
import os
s = secrets["TOK"]
body = ('{"t":"error","kind":"exception","type":"%s","message":"m","help":"%s","traceback":'
        '[{"line":1,"function":"%s","text":"%s"}]}' % (s, "z" * 16375 + s, s, s)).encode()
os.write(4, len(body).to_bytes(4, "big") + body)
os._exit(0)
"""


def test_no_text_of_an_error_holds_a_secret_or_what_is_left_of_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path, secrets={"TOK": SECRET}, granted=("TOK",)) as play:
            for script in (_NAMED, _FORGED):
                ended = await play.run(script, required_secrets=("TOK",))
                assert ended.error is not None
                assert ended.error.type.startswith("[secret TOK]"), ended.error
                assert not [part for part in PARTS if part in repr(ended.error)]

    asyncio.run(test())


def test_progress_that_was_cut_off_amid_a_secret_shows_no_part_of_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path, secrets={"TOK": SECRET}, granted=("TOK",)) as play:
            script = "report_progress(0.5, 'y' * 490 + secrets['TOK'])"
            ended = await play.run(script, required_secrets=("TOK",))
            assert ended.progress_text == "y" * 490

    asyncio.run(test())


def test_nothing_that_a_failed_call_says_holds_a_secret(tmp_path: Path) -> None:
    async def failing(_arguments: dict[str, Any]) -> Answer:
        cut = f"{SECRET[:9]}..."
        return Answer(failure=Failure(kind="denied", message=cut, code=SECRET, rule=SECRET, reason=SECRET))

    async def test() -> None:
        async with playing(tmp_path, tools={"no": failing}, secrets={"TOK": SECRET}) as play:
            script = (
                "import callgate\ntry: mcp_S_no()\n"
                "except callgate.ToolDenied as e: out = [str(e), e.code, e.rule, e.reason]"
            )
            ended = await play.run(script, output_vars={"out": "list"})
            assert ended.results is not None, ended
            assert ended.results["out"][1:] == ["[secret TOK]"] * 3
            assert not [part for part in PARTS if part in repr(ended.results)]

    asyncio.run(test())


def test_a_tool_call_is_no_news_to_who_waits(tmp_path: Path) -> None:
    called, go = asyncio.Event(), asyncio.Event()

    async def hold(_arguments: dict[str, Any]) -> Answer:
        called.set()
        await go.wait()
        return Answer(value=1)

    async def echo(_arguments: dict[str, Any]) -> Answer:
        return Answer(value=1)

    async def test() -> None:
        async with playing(tmp_path, tools={"hold": hold, "echo": echo}) as play:
            script = (
                "mcp_S_hold()\nfor n in range(20): mcp_S_echo(n=n)\nprint('told', flush=True)\nmcp_S_echo()"
            )
            submitted = await play.engine.submit(OWNER, Spec(script=script))
            await called.wait()
            waiting = asyncio.create_task(play.engine.view(OWNER, submitted.uuid, wait_seconds=60))
            done, _ = await asyncio.wait({waiting}, timeout=0.2)
            assert not done
            go.set()
            view = await waiting
            assert view is not None
            assert b"".join(piece.data for piece in view.output) == b"told\n"

    asyncio.run(test())
