"""`callgate serve` before a runner: two callers with keys of their own, and nobody sees what is another's."""

import sys
from pathlib import Path

import pytest
from real_runner import CALLGATE, ERAS, NOBODY, Home, Key, Program, key_file, keys, over_http, run
from tests.support.raw_agent import RawAgent

LEDGER = str(Path(__file__).with_name("ledger_server.py"))
SCRIPT = "word = mcp_Ledger_append(line=line)['result']"


def _serving(home: Home) -> list[str]:
    return [*CALLGATE, "serve", "-c", str(home.config), "--port", "0"]


def _presenting(folder: Path, key: Key) -> dict[str, object]:
    """The headers of a gate that has this key."""
    file = folder / key.entry["id"]
    file.write_text(key.key)
    file.chmod(0o600)
    return {"Authorization": {"file": str(file), "prefix": "Bearer "}}


@pytest.mark.parametrize(("behind", "mode"), [("child", ERAS[0]), ("http", ERAS[1])])
def test_two_callers_of_a_gate_before_a_runner_never_meet(tmp_path: Path, behind: str, mode: str) -> None:
    made = keys("ann", "bob", "gate", "other-gate")
    inner = tmp_path / "inner"
    inner.mkdir()
    auth = {"keys": key_file(inner, {name: made[name] for name in ("gate", "other-gate")})}
    servers = {"Ledger": {"command": [sys.executable, LEDGER, str(inner)]}}
    home = Home(inner, servers)

    async def main() -> None:
        if behind == "child":
            await through_the_gate({"command": home.runner()})
            return
        over = Home(inner, servers, {"trusted_gates": ["key:gate"]}, {"auth": auth})
        with Program(over, over.runner("--http", "127.0.0.1:0")) as runner:
            server = {"url": await runner.url(), "forward_identity": True}
            await through_the_gate({**server, "headers": _presenting(inner, made["gate"])})
            await no_way_through({**server, "headers": _presenting(inner, made["other-gate"])})

    async def no_way_through(server: dict[str, object]) -> None:
        """The runner believes no gate that its file does not name."""
        outer = Home(tmp_path / "other", {"runner": server}, settings={"auth": {"keys": "keys.yaml"}})
        key_file(outer.folder, {"ann": made["ann"]})
        with Program(outer, _serving(outer)) as gate:
            agent = RawAgent(int((await gate.url()).rpartition(":")[2]), "/runner/mcp", made["ann"].key)
            reply = agent.modern_call("executeCode", {"script": "print(1)"})
            assert "result" not in reply.frame, reply
            assert b"RUN013" not in reply.body

    async def through_the_gate(server: dict[str, object]) -> None:
        outer = Home(
            tmp_path / "outer",
            {"runner": server},
            settings={"auth": {"keys": key_file(tmp_path, made)}, "state": "memory://"},
        )
        key_file(outer.folder, {name: made[name] for name in ("ann", "bob")})
        with Program(outer, _serving(outer)) as gate:
            url = (await gate.url()).rstrip("/") + "/runner/mcp"
            async with (
                over_http(url, made["ann"].key, mode) as ann,
                over_http(url, made["bob"].key, mode) as bob,
            ):
                his = await bob.started("print('bob was here')")
                hers = await ann.started(SCRIPT, input_vars={"line": "ann"}, output_vars={"word": "str"})
                assert (await ann.ended(hers))["results"] == {"word": "ann is there"}
                assert (await bob.ended(his))["output"]["stdout"] == "bob was here\n"
                for tool in ("checkCodeExecStatus", "cancelCodeExecution"):
                    stranger = await ann.call(tool, execution_uuid=his)
                    nobody = await ann.call(tool, execution_uuid=NOBODY)
                    assert stranger.is_error
                    assert stranger.model_dump_json().replace(his, NOBODY) == nobody.model_dump_json()
                listed = (await ann.told("listCodeExecutions"))["executions"]
                assert [each["execution_uuid"] for each in listed] == [hers]
            # The same caller, come again, finds what is hers.
            async with over_http(url, made["ann"].key, mode) as again:
                assert (await again.told("checkCodeExecStatus", execution_uuid=hers))["status"] == "completed"
        (inside,) = [record for record in home.decisions() if record["server"] == "Ledger"]
        (direct,) = [
            record
            for record in outer.decisions()
            if record["tool"] == "asyncExecuteCode" and record["identity"] == "key:ann"
        ]
        assert (inside["identity"], inside["parent"]) == ("key:ann", hers)
        assert inside["session"] == direct["session"]

    run(main)
