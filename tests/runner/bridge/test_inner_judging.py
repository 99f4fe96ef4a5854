"""Tool calls of scripts are judged, counted and recorded as direct calls are."""

import asyncio
from typing import Any

import pytest
from bridge_bench import ALICE, ALLOW, BOB, ODD, Folder, opened, run

from callgate.clock import SystemClock
from callgate.config.load import load_files
from callgate.gate.admit import Gate
from callgate.gate.call import Caller
from callgate.policy.compile import compile_policy
from callgate.runner.bridge.contract import Parent
from callgate.runner.execution import Owner
from callgate.state.open import open_ledger
from callgate.transports.spawner import Spawner

LIMITED = """
default: allow
tools:
  again: {rules: [{rate_limit: {max: 3, window: 1h, scope: identity}, reason: three is enough}]}
"""
DENIED = "default: allow\ntools:\n  again: {rules: [{name: no-more, action: deny, reason: not today}]}\n"


def direct_gate(folder: Folder) -> Gate:
    """The gate of another process, for the same server and the same store."""
    loaded = load_files(str(folder.path / "callgate.yaml"))
    clock = SystemClock()
    ledger = open_ledger(
        folder.state, clock, state_dir=str(folder.path), durable_sessions=True, outlives_process=True
    )
    caller = Caller(ALICE.limit_session, ALICE.identity, "odd")
    return Gate(compile_policy(loaded.documents["odd"]), ledger, None, caller, clock)


def test_a_denial_is_told_as_to_a_direct_caller_and_nothing_is_sent(folder: Folder, spawner: Spawner) -> None:
    folder.write(DENIED, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            told = await bench.failure("mcp_odd_again")
            gate = direct_gate(folder)
            direct = gate.admit("again", {}, 1).denial
            gate.ledger.close()
            assert direct is not None
            assert (told.kind, told.ran) == ("denied", False)
            assert (told.message, told.code) == (direct.text, direct.code)
            assert (told.rule, told.reason) == ("no-more", "not today")
            assert bench.forwarded == []

    run(work())
    assert folder.calls("outcome")[0]["status"] == "denied"


def test_a_limit_is_shared_with_direct_calls_over_one_store(folder: Folder, spawner: Spawner) -> None:
    folder.write(LIMITED, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            gate = direct_gate(folder)
            assert gate.admit("again", {}, 1).denial is None
            assert await bench.value("mcp_odd_again") == "done"
            assert await bench.value("mcp_odd_again") == "done"
            refused = await bench.failure("mcp_odd_again")
            assert (refused.code, refused.reason) == ("DEN020", "three is enough")
            assert refused.retry_after is not None
            assert 3500 < refused.retry_after <= 3600
            assert f"try again in {refused.retry_after} s" in refused.message
            direct = gate.admit("again", {}, 2).denial
            gate.ledger.close()
            assert direct is not None
            assert await bench.value("mcp_odd_again", owner=BOB) == "done"

    run(work())


def test_the_journals_word_comes_after_the_record_and_before_the_call(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            seen: list[Any] = []

            async def before_forward(decision: str) -> None:
                recorded = [record["id"] for record in folder.calls()]
                seen.append((decision, recorded, await bench.value("mcp_odd_recall")))

            answer = await bench.bridge.call(
                Parent("uuid-1", ALICE), "mcp_odd_remember", {"text": "x"}, before_forward
            )
            assert answer.value == 1
            [(decision, recorded, recall)] = seen
            assert decision in recorded
            assert recall["texts"] == []

    run(work())


def test_a_call_that_the_journal_refuses_is_not_made_and_costs_nothing(
    folder: Folder, spawner: Spawner
) -> None:
    limited = (
        "default: allow\ntools:\n  remember: {rules: [{rate_limit: {max: 1, window: 1h, scope: identity}}]}\n"
    )
    folder.write(limited, odd={"command": ODD})

    class Refused(Exception):
        pass

    async def refuse(_decision: str) -> None:
        raise Refused

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            for _ in range(3):
                with pytest.raises(Refused):
                    await bench.bridge.call(
                        Parent("uuid-1", ALICE), "mcp_odd_remember", {"text": "x"}, refuse
                    )
            assert await bench.value("mcp_odd_remember", {"text": "y"}) == 1
            assert (await bench.failure("mcp_odd_remember", {"text": "z"})).code == "DEN020"

    run(work())
    statuses = [record["status"] for record in folder.calls("outcome")]
    assert statuses == ["not_forwarded"] * 3 + ["ok", "denied"]


def test_a_cancelled_call_is_recorded_as_cancelled_and_stays_spent(folder: Folder, spawner: Spawner) -> None:
    limited = (
        "default: allow\ntools:\n  hang: {rules: [{rate_limit: {max: 1, window: 1h, scope: identity}}]}\n"
    )
    folder.write(limited, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            forwarded = asyncio.Event()

            async def before_forward(_decision: str) -> None:
                forwarded.set()

            call = asyncio.ensure_future(
                bench.bridge.call(Parent("uuid-1", ALICE), "mcp_odd_hang", {}, before_forward)
            )
            await forwarded.wait()
            server = bench.bridge._servers["odd"]
            while not any(one.in_flight for one in server._connections.values()):
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert (await bench.failure("mcp_odd_hang")).code == "DEN020"

    run(work())
    assert [record["status"] for record in folder.calls("outcome")] == ["cancelled", "denied"]


def test_a_call_that_is_cancelled_while_it_is_judged_is_given_back(folder: Folder, spawner: Spawner) -> None:
    limited = (
        "default: allow\ntools:\n  again: {rules: [{rate_limit: {max: 1, window: 1h, scope: identity}}]}\n"
    )
    folder.write(limited, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            await bench.bridge.tools(ALICE)
            judge = bench.bridge._judge
            assert judge is not None
            assert judge._turns is not None
            call = asyncio.ensure_future(bench.call("mcp_odd_again"))
            while not judge._turns._calls:
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert bench.forwarded == []
            while judge._turns._working is not None:
                await asyncio.sleep(0)
            assert await bench.value("mcp_odd_again") == "done"

    run(work())
    assert [record["status"] for record in folder.calls("outcome")] == ["not_forwarded", "ok"]


def test_calls_that_come_together_are_recorded_in_order_and_each_is_answered(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(LIMITED, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            await bench.bridge.tools(ALICE)
            answers = await asyncio.gather(*(bench.call("mcp_odd_again") for _ in range(8)))
            assert sum(answer.failure is None for answer in answers) == 3

    run(work())
    assert sum(record["effect"] == "deny" for record in folder.calls()) == 5


def test_a_record_names_who_called_what_and_the_execution_that_it_belongs_to(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD})
    proven = Owner("key:robot", limit_session="mcp-session-9", proven=True)

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            await bench.call("mcp_odd_again", owner=proven, uuid="0192-uuid")

    run(work())
    [decision] = folder.calls()
    named = {key: decision[key] for key in ("session", "identity", "server", "tool", "parent")}
    assert named == {
        "session": "mcp-session-9",
        "identity": "key:robot",
        "server": "odd",
        "tool": "again",
        "parent": "0192-uuid",
    }


def test_rules_read_the_claims_of_the_owner(folder: Folder, spawner: Spawner) -> None:
    policy = "default: deny\ntools:\n  again: {rules: [{action: allow, when: {identity.team: blue}}]}\n"
    folder.write(policy, odd={"command": ODD})
    blue = Owner("key:a", proven=True, claims={"team": "blue"})
    red = Owner("key:b", proven=True, claims={"team": "red"})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert await bench.value("mcp_odd_again", owner=blue) == "done"
            assert (await bench.failure("mcp_odd_again", owner=red)).kind == "denied"
            assert (await bench.failure("mcp_odd_again")).kind == "denied"

    run(work())


def test_a_changed_policy_counts_with_the_next_call_and_a_bad_edit_keeps_the_old_one(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD})
    log: list[str] = []

    async def work() -> None:
        async with opened(folder, spawner, log) as bench:
            assert await bench.value("mcp_odd_again") == "done"
            folder.policy(DENIED)
            assert (await bench.failure("mcp_odd_again")).reason == "not today"
            folder.policy("default: perhaps\n")
            assert (await bench.failure("mcp_odd_again")).reason == "not today"
            assert any(line.startswith("error") and "POL" in line for line in log)
            folder.policy(ALLOW)
            assert await bench.value("mcp_odd_again") == "done"

    run(work())
    events = [record["event"] for record in folder.calls("event")]
    assert events == ["gate_started", "policy_reloaded", "policy_refused", "policy_reloaded", "gate_stopped"]


def test_a_hidden_tool_is_absent_and_unknown(folder: Folder, spawner: Spawner) -> None:
    folder.write("hide: [again]\n" + ALLOW, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            names = {tool.tool for tool in await bench.bridge.tools(ALICE)}
            assert "recall" in names
            assert "again" not in names
            assert bench.bridge.known("mcp_odd_again") is None
            hidden = await bench.failure("mcp_odd_again")
            unknown = await bench.failure("mcp_odd_nothing")
            assert hidden.kind == unknown.kind == "unknown_tool"
            assert hidden.message.replace("again", "nothing") == unknown.message

    run(work())


def test_a_tool_that_the_policy_always_denies_is_marked_and_a_strange_server_is_answered_with_the_one_meant(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write("default: deny\ntools:\n  again: {rules: [{action: allow}]}\n", odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            marks = {tool.tool: tool.never_allowed for tool in await bench.bridge.tools(ALICE)}
            assert marks["again"] is False
            assert marks["recall"] is True
            assert await bench.bridge.warm(["Odd", "files"]) == {
                "Odd": "there is no such server; did you mean `odd`?",
                "files": "there is no such server; there are `odd`",
            }

    run(work())


def test_arguments_are_held_against_the_tools_schema_where_the_policy_wants_it(
    folder: Folder, spawner: Spawner
) -> None:
    policy = "default: allow\ntools:\n  echo: {rules: [{validate: {schema: true}}]}\n"
    folder.write(policy, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert await bench.value("mcp_odd_echo", {"n": 1})
            wrong = await bench.failure("mcp_odd_echo", {"n": "one"})
            assert (wrong.kind, wrong.code) == ("denied", "DEN005")

    run(work())


def test_nothing_is_sent_when_the_audit_cannot_be_written(
    folder: Folder, spawner: Spawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write(LIMITED, odd={"command": ODD})

    async def work() -> None:
        from callgate.audit.jsonl import JsonlAudit
        from callgate.errors import AuditError

        def full(_self: JsonlAudit, _records: Any) -> None:
            raise AuditError("AUD001", "no space left")

        async with opened(folder, spawner) as bench:
            await bench.bridge.tools(ALICE)
            with monkeypatch.context() as broken:
                broken.setattr(JsonlAudit, "append", full)
                for _ in range(5):
                    failure = await bench.failure("mcp_odd_again")
                    assert (failure.kind, failure.code) == ("denied", "DEN031")
            assert bench.forwarded == []
            assert await bench.value("mcp_odd_again") == "done"

    run(work())
