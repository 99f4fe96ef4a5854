"""Executions from their acceptance to their end, in a real sandbox and a real journal."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from engine_play import OWNER, playing

from callgate.runner.answer import Answer, Failure
from callgate.runner.execution import Owner, Spec
from callgate.runner.jobs.contract import Refusal
from callgate.runner.sandbox.contract import Limits


def run(test: Any) -> None:
    asyncio.run(test)


async def echo(arguments: dict[str, Any]) -> Answer:
    return Answer(value=arguments)


def test_a_script_s_results_output_and_progress_are_kept(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path) as play:
            script = "print('hello')\nreport_progress(0.5, 'half')\nb = a + 1\n"
            submitted = await play.engine.submit(
                OWNER, Spec(script=script, input_vars={"a": 1}, output_vars={"b": "int"})
            )
            view = await play.ended(submitted.uuid)
            assert view.execution.state == "completed"
            assert view.execution.results == {"b": 2}
            assert [piece.data for piece in view.output] == [b"hello\n"]

    run(test())


def test_who_waits_for_news_is_told_at_once_of_all_that_comes_shortly_after_the_first(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path, tools={"echo": echo}, gather=50) as play:
            script = "print('one', flush=True)\nmcp_S_echo()\nprint('two', flush=True)"
            submitted = await play.engine.submit(OWNER, Spec(script=script))
            view = await play.engine.view(OWNER, submitted.uuid, wait_seconds=60)
            assert view is not None
            assert view.execution.state == "completed"
            assert b"".join(piece.data for piece in view.output) == b"one\ntwo\n"

    run(test())


def test_variables_of_a_session_are_there_in_its_next_run_and_nowhere_else(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path) as play:
            await play.run("x = 41", output_vars={"x": "int"}, session_id="s")
            again = await play.run("y = x + 1", output_vars={"y": "int"}, session_id="s")
            other = await play.run("y = x + 1", output_vars={"y": "int"}, session_id="t")
            assert again.results == {"y": 42}
            assert other.state == "failed"
            stranger = await play.engine.submit(
                Owner("stranger"), Spec(script="y = x", output_vars={"y": "int"}, session_id="s")
            )
            view = await play.engine.finished(Owner("stranger"), stranger.uuid)
            assert view is not None
            assert view.execution.state == "failed"

    run(test())


def test_a_stranger_learns_nothing_of_an_execution_and_cannot_cancel_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path) as play:
            submitted = await play.engine.submit(OWNER, Spec(script="import time\ntime.sleep(30)"))
            stranger = Owner("stranger")
            assert await play.engine.view(stranger, submitted.uuid) is None
            assert await play.engine.cancel(stranger, submitted.uuid) is None
            assert (await play.engine.list(stranger, limit=10)).executions == ()
            running = await play.until(submitted.uuid, lambda execution: execution.state == "running")
            assert not running.cancel_requested
            await play.engine.cancel(OWNER, submitted.uuid)
            assert (await play.ended(submitted.uuid)).execution.state == "cancelled"

    run(test())


def test_what_surely_cannot_run_is_refused_with_its_place_and_not_stored(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path) as play:
            with pytest.raises(Refusal) as refused:
                await play.engine.submit(OWNER, Spec(script="x = 1\nif x\n    pass"))
            assert (refused.value.line, refused.value.code) == (2, "RUN101")
            with pytest.raises(Refusal) as remote:
                await play.engine.submit(OWNER, Spec(script="print(1)", local=False))
            assert remote.value.code == "RUN054"
            assert (await play.engine.list(OWNER, limit=10)).executions == ()

    run(test())


def test_a_call_of_a_function_that_no_server_has_ends_it_before_anything_runs(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path, tools={"echo": echo}) as play:
            ended = await play.run("mcp_S_echo(a=1)\nmcp_S_ecco(a=2)")
            assert (ended.state, ended.cause) == ("failed", "required_tools")
            assert ended.error is not None
            assert "mcp_S_echo" in (ended.error.help or "")
            assert play.server.calls == []

    run(test())


def test_missing_tools_servers_and_secrets_end_it_before_anything_runs(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path, tools={"echo": echo}) as play:
            script = "print('ran')"
            causes = [
                (await play.run(script, required_tools=("mcp_S_no",))).cause,
                (await play.run(script, mcp_server_names=("Q",))).cause,
                (await play.run(script, required_secrets=("TOKEN",))).cause,
            ]
            assert causes == ["required_tools", "servers", "required_secrets"]

    run(test())


def test_a_granted_secret_is_seen_inside_and_never_comes_out(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(
            tmp_path, secrets={"GIVEN": "given-secret", "KEPT": "kept-secret"}, granted=("GIVEN",)
        ) as play:
            script = "given = secrets['GIVEN']\nlength = len(given)\nprint(given)\nout = [given, 'KEPT' in secrets]"
            submitted = await play.engine.submit(
                OWNER,
                Spec(
                    script=script,
                    required_secrets=("GIVEN",),
                    output_vars={"length": "int", "out": "list"},
                ),
            )
            view = await play.ended(submitted.uuid)
            assert view.execution.results == {"length": 12, "out": ["[secret GIVEN]", False]}
            assert b"".join(piece.data for piece in view.output) == b"[secret GIVEN]\n"
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"given-secret" not in stored
        assert b"kept-secret" not in stored

    run(test())


def test_a_required_secret_that_the_policy_does_not_grant_ends_it_before_anything_runs(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with playing(tmp_path, secrets={"KEPT": "kept-secret"}) as play:
            ended = await play.run("mcp_S_no()", required_secrets=("KEPT",))
            assert (ended.state, ended.cause) == ("failed", "required_secrets")
            assert ended.error is not None
            assert "the policy does not grant `KEPT`" in ended.error.message

    run(test())


def test_a_denied_call_is_an_exception_with_rule_and_reason_that_the_script_can_catch(tmp_path: Path) -> None:
    async def denied(arguments: dict[str, Any]) -> Answer:
        return Answer(
            failure=Failure(
                kind="denied", message="denied by policy: no", code="DEN001", rule="r", reason="no", ran=False
            )
        )

    async def test() -> None:
        async with playing(tmp_path, tools={"send": denied}) as play:
            script = "import callgate\ntry: mcp_S_send()\nexcept callgate.ToolDenied as d: out = [d.rule, d.reason]"
            ended = await play.run(script, output_vars={"out": "list"})
            assert ended.results == {"out": ["r", "no"]}

    run(test())


def test_a_released_execution_goes_on_elsewhere_and_no_answered_call_is_made_again(tmp_path: Path) -> None:
    async def test() -> None:
        started = asyncio.Event()

        async def count(arguments: dict[str, Any]) -> Answer:
            return Answer(value=arguments["n"] * 10)

        script = "\n".join(
            [
                "import time",
                "got = [mcp_S_count(n=n) for n in range(4)]",
                "print('waiting')",
                "while mcp_S_wait()['again']: time.sleep(0.01)",
            ]
        )
        again = True

        async def wait(arguments: dict[str, Any]) -> Answer:
            started.set()
            return Answer(value={"again": again})

        async with playing(tmp_path, tools={"count": count, "wait": wait}, repeatable=("wait",)) as first:
            submitted = await first.engine.submit(OWNER, Spec(script=script, output_vars={"got": "list"}))
            await asyncio.wait_for(started.wait(), 60)
            assert len([name for name, _ in first.server.calls if name == "count"]) == 4
        again = False
        async with playing(tmp_path, tools={"count": count, "wait": wait}, repeatable=("wait",)) as second:
            view = await second.ended(submitted.uuid)
            assert view.execution.state == "completed"
            assert view.execution.attempt == 2
            assert view.execution.results == {"got": [0, 10, 20, 30]}
            assert [name for name, _ in second.server.calls if name == "count"] == []

    run(test())


def test_a_call_that_nobody_knows_the_end_of_interrupts_the_execution_and_is_shown(tmp_path: Path) -> None:
    async def test() -> None:
        started = asyncio.Event()

        async def hang(arguments: dict[str, Any]) -> Answer:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

        async with playing(tmp_path, tools={"send": hang}) as first:
            submitted = await first.engine.submit(OWNER, Spec(script="mcp_S_send(to='a')"))
            await asyncio.wait_for(started.wait(), 60)
        async with playing(tmp_path, tools={"send": hang}) as second:
            view = await second.ended(submitted.uuid)
            assert (view.execution.state, view.execution.cause) == ("interrupted", "in_doubt_call")
            assert [call.function for call in view.in_doubt] == ["mcp_S_send"]
            assert second.server.calls == []

    run(test())


def test_of_long_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path, limits=Limits(memory=256 << 20, output=2_000)) as play:
            submitted = await play.engine.submit(
                OWNER, Spec(script="for i in range(5000): print(f'{i:07d}')", output_vars={})
            )
            view = await play.ended(submitted.uuid)
            assert view.execution.output_bytes == 40_000
            text = b"".join(piece.data for piece in view.output)
            assert text.startswith(b"0000000\n0000001\n")
            assert text.endswith(b"0004999\n")
            assert 2_000 <= len(text) <= 2_000 + (128 << 10)
            assert view.next_offset == 40_000

    run(test())


def test_scripts_without_an_end_of_one_owner_do_not_keep_another_waiting(tmp_path: Path) -> None:
    async def test() -> None:
        async with playing(tmp_path, concurrency=2, several_owners=True) as play:
            for _ in range(3):
                await play.engine.submit(OWNER, Spec(script="import time\ntime.sleep(1000)"))
            other = Owner("other")
            submitted = await play.engine.submit(other, Spec(script="print(1)"))
            view = await asyncio.wait_for(play.engine.finished(other, submitted.uuid), 60)
            assert view is not None
            assert view.execution.state == "completed"

    run(test())


def test_an_execution_ends_at_the_number_of_its_calls_or_at_what_they_answered(tmp_path: Path) -> None:
    async def large(arguments: dict[str, Any]) -> Answer:
        return Answer(value="x" * 1_000)

    async def test() -> None:
        script = "while True: mcp_S_large()"
        async with playing(tmp_path, tools={"large": large}, calls=7) as play:
            ended = await play.run(script)
            assert (ended.state, ended.cause) == ("resource_killed", "journal_limit")
            assert len(play.server.calls) == 7
        async with playing(tmp_path, tools={"large": large}, answers=5_000) as play:
            ended = await play.run(script)
            assert (ended.state, ended.cause) == ("resource_killed", "journal_limit")
            assert len(play.server.calls) == 5

    run(test())
