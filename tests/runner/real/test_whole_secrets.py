"""Secrets: who is granted one sees it, and nothing that is kept or told ever holds one."""

import json
import sys
from pathlib import Path

from real_runner import Home, over_stdio, run

LEDGER = str(Path(__file__).with_name("ledger_server.py"))
GRANTED = "granted-Zq7#secret/4411+x"
OUTSIDE = "outside-Ww3%secret&9922=y"
OF_SERVER = "server-Kk5~secret-7733"
SERVERS_ENV = {"LEDGER_TOKEN": {"env": "LEDGER_TOKEN"}}

LEAK = """
import base64, callgate, sys
token = secrets["GRANTED"]
assert "OUTSIDE" not in secrets
print("printed", token, flush=True)
print("printed", base64.b64encode(token.encode()).decode(), token.encode().hex(), file=sys.stderr)
for letter in token:
    print(letter, end="", flush=True)
print()
report_progress(0.5, "progress " + token)
mcp_Ledger_append(line="written")
there = mcp_Ledger_surroundings()
server_has_it = there["LEDGER_TOKEN"] != ""
result = {"deep": ["a " + token, there["LEDGER_TOKEN"], there.get("OUTSIDE", "not there")]}
try:
    mcp_Ledger_append(line=[token])
except callgate.ToolError as error:
    told = str(error)
"""


def test_no_secret_is_in_journal_audit_output_errors_or_log(tmp_path: Path) -> None:
    home = Home(
        tmp_path,
        {"Ledger": {"command": [sys.executable, LEDGER, str(tmp_path)], "env": SERVERS_ENV}},
        {
            "policy": "runner.yaml",
            "secrets": {"GRANTED": {"env": "GRANTED"}, "OUTSIDE": {"env": "OUTSIDE"}},
        },
        {"audit_arguments": "redacted"},
        {"runner.yaml": "grant_secrets: [GRANTED]\n"},
    )
    values = {"GRANTED": GRANTED, "OUTSIDE": OUTSIDE, "LEDGER_TOKEN": OF_SERVER}
    answers: list[str] = []

    async def main() -> None:
        async with over_stdio(home, home.runner("--log-level", "debug"), env=values) as agent:
            uuid = await agent.started(
                LEAK,
                required_secrets=["GRANTED"],
                output_vars={"result": "dict", "told": "str | null", "server_has_it": "bool"},
            )
            told = await agent.ended(uuid)
            assert told["status"] == "completed", json.dumps(told)
            assert told["results"]["server_has_it"] is True
            answers.append(json.dumps(told, ensure_ascii=False))
            # Not asked for: not there, though granted.
            told = await agent.executed("print(secrets)")
            assert "GRANTED" not in json.dumps(told), json.dumps(told)
            told = await agent.executed(
                "raise ValueError('broken ' + secrets['GRANTED'])", required_secrets=["GRANTED"]
            )
            assert (told["status"], told["error"]["type"]) == ("failed", "ValueError"), json.dumps(told)
            answers.append(json.dumps(told, ensure_ascii=False))
            told = await agent.executed("print(secrets['OUTSIDE'])", required_secrets=["OUTSIDE"])
            assert told["cause"] == "required_secrets", json.dumps(told)
            assert "does not grant `OUTSIDE`" in told["error"]["message"], json.dumps(told)
            answers.append(json.dumps(told, ensure_ascii=False))
            told = await agent.executed("print(1)", required_secrets=["LEDGER_TOKEN"])
            assert told.get("cause", "required_secrets") == "required_secrets", json.dumps(told)
            assert told.get("status") != "completed", json.dumps(told)
            # While the journal is open, part of it lies beside it.
            answers.append(everything_kept())
        answers.append(everything_kept())

    def everything_kept() -> str:
        files = [*home.journal.parent.iterdir(), home.calls, home.stderr]
        assert any(file.name.endswith(".sqlite") for file in files)
        texts = "\n".join(file.read_bytes().decode("latin-1") for file in files)
        assert "printed" in texts
        return texts

    run(main)
    for kept in answers:
        for secret in values.values():
            assert secret not in kept
            assert json.dumps(secret)[1:-1] not in kept
            assert secret.encode().hex() not in kept
    # It went where it was meant to go.
    assert "written" in (tmp_path / "ledger").read_text()
