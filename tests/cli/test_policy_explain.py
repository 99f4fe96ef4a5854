"""`callgate policy explain`: its three looks, its exit status, and what it refuses to read."""

import json
from pathlib import Path
from typing import Any

import pytest

from callgate.cli.main import main

POLICY = """\
tools:
  create_charge:
    rules:
      - {action: deny, name: cap, when: {args.amount: {gt: 50000}}}
      - {action: deny, name: currency, when: {args.currency: {not_in: [usd, eur]}}}
      - {name: spend, rate_limit: {max: 1000000.00, window: 1d, cost: args.amount, scope: global}}
  edit: {rules: [{validate: {required_args: true, schema: true}}]}
  pay: {rules: [{action: require_approval}]}
"""

HUMAN = """\
DENY   create_charge   policy {revision}
  hit   deny   cap       amount 90000 > 50000              {file}:4
  hit   allow  spend                                       {file}:6
  miss  deny   currency  currency "usd" in ["usd", "eur"]  {file}:5
  would charge  90000 to spend: 1000000.00 of args.amount in 1 d, counted for all callers
strictest wins: deny
"""

PLAIN = """\
deny create_charge policy {revision}
hit deny cap: amount 90000 > 50000 ({file}:4)
hit allow spend ({file}:6)
miss deny currency: currency "usd" in ["usd", "eur"] ({file}:5)
would charge 90000 to spend: 1000000.00 of args.amount in 1 d, counted for all callers
strictest wins: deny
"""

CHARGE = '{"amount": 90000, "currency": "usd"}'


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "p.yaml"
    path.write_text(POLICY)
    return str(path)


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["policy", "explain", *words])
    out, err = capsys.readouterr()
    return status, out, err


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    _, out, _ = explain(capsys, *words, "--format", "json")
    data: dict[str, Any] = json.loads(out)
    return data


@pytest.mark.parametrize(("look", "text"), [("human", HUMAN), ("plain", PLAIN)])
def test_what_a_person_reads(file: str, capsys: pytest.CaptureFixture[str], look: str, text: str) -> None:
    status, out, err = explain(capsys, "-c", file, "create_charge", CHARGE, "--format", look)
    revision = out.split("\n", 1)[0].split()[-1]
    assert (status, err) == (1, "")
    if look == "human":
        lines = text.format(file=file, revision=revision)
        assert [line.split() for line in out.splitlines()] == [line.split() for line in lines.splitlines()]
    else:
        assert out == text.format(file=file, revision=revision)


def test_the_look_is_plain_where_there_is_no_terminal(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = explain(capsys, "-c", file, "create_charge", CHARGE)
    assert out.startswith("deny create_charge")


def test_colour_is_never_the_only_sign(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = explain(capsys, "-c", file, "create_charge", CHARGE, "--format", "human", "--color", "always")
    assert "\x1b[31;1mDENY\x1b[0m" in out


def test_the_data_has_effect_reasons_and_charges(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = as_json(capsys, "-c", file, "create_charge", '{"amount": 10.50, "currency": "gbp"}')
    assert (data["schema"], data["tool"], data["effect"]) == ("callgate/explain@1", "create_charge", "deny")
    (reason,) = data["reasons"]
    assert (reason["code"], reason["rule"], reason["source"]["line"]) == ("DEN001", "currency", 5)
    (charge,) = data["charges"]
    assert (charge["amount"], charge["scope"]) == (10.5, "global")
    assert {rule["rule"]: rule["outcome"] for rule in data["rules"]} == {
        "cap": "miss",
        "currency": "hit",
        "spend": "hit",
    }


def test_numbers_stay_exact_from_the_argument_to_the_charge(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    amount = "0.1000000000000000000000000000000000001"
    _, out, _ = explain(capsys, "-c", file, "create_charge", f'{{"amount": {amount}}}', "--format", "json")
    assert f'"amount": {amount}' in out


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("create_charge", '{"amount": 1, "currency": "usd"}'), 0),
        (("create_charge", CHARGE), 1),
        (("other",), 0),
        (("pay", "{}"), 1),
        (("Pay", "{}"), 1),
    ],
)
def test_the_exit_status_is_the_answer(
    file: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], status: int
) -> None:
    assert explain(capsys, "-c", file, *words)[0] == status


def test_a_call_that_waits_for_approval_is_a_denied_one(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = as_json(capsys, "-c", file, "pay")
    assert (data["effect"], data["needs_approval"]) == ("deny", True)


def test_a_hidden_tool_is_not_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("hide: [x]\ntools: {}\n")
    assert explain(capsys, "-c", str(path), "x")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('{"a": 1,, "b": 2}', "line 1, column 9"),
        ('{"a": 1,\n "a": 2}', "the key `a` appears twice"),
        ('{"a": {"b": 1, "b": 1}}', "the key `b` appears twice"),
        ("[1]", "not a JSON object"),
        ('{"a": NaN}', "`NaN` is not JSON"),
        ('{"a": 1e99999999999999999999}', "out of range"),
        ("[" * 100_000, "nested too deep"),
        ("", "line 1, column 1"),
    ],
)
def test_arguments_that_are_no_json_object_are_a_usage_error(
    file: str, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    status, out, err = explain(capsys, "-c", file, "create_charge", arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert "USE020" in err


TOOL = {"name": "edit", "inputSchema": {"type": "object", "required": ["path"]}}


@pytest.mark.parametrize(
    "listing",
    [
        {"tools": [TOOL]},
        [TOOL],
        {"jsonrpc": "2.0", "id": 1, "result": {"tools": [TOOL]}},
        {"server": "files", "tools": [TOOL]},
    ],
)
def test_the_tools_own_schema_is_taken_from_any_form_of_listing(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], listing: Any
) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps(listing))
    data = as_json(capsys, "-c", file, "edit", "{}", "--tools", str(tools))
    assert [reason["code"] for reason in data["reasons"]] == ["DEN004", "DEN005"]
    assert explain(capsys, "-c", file, "edit", '{"path": 1}', "--tools", str(tools))[0] == 0
    assert explain(capsys, "-c", file, "edit", '{"path": 1}')[0] == 1


@pytest.mark.parametrize("text", ["{}", "not json", '{"tools": 5}', None])
def test_a_file_that_lists_no_tools_is_a_usage_error(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    tools = tmp_path / "tools.json"
    if text is not None:
        tools.write_text(text)
    status, _, err = explain(capsys, "-c", file, "edit", "{}", "--tools", str(tools))
    assert status == 2
    assert "USE021" in err


def test_an_invalid_policy_is_shown_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("tools: {t: {rulez: []}}\n")
    status, out, err = explain(capsys, "-c", str(path), "t")
    assert (status, out) == (3, "")
    assert "bad.yaml:1:" in err


def test_normalized_adds_the_entries_that_match(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = as_json(capsys, "-c", file, "pay", "--normalized")
    assert [tool["tool"] for tool in data["normalized"]["tools"]] == ["pay"]


def test_who_calls_can_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tools: {t: {rules: [{action: deny, when: {identity: eve, server: s, session: q}}]}}\n")
    words = ("-c", str(path), "t", "{}", "--server", "s", "--session", "q", "--identity")
    assert explain(capsys, *words, "eve")[0] == 1
    assert explain(capsys, *words, "ann")[0] == 0


def test_a_name_from_outside_cannot_steer_the_terminal(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    for look in ("human", "plain"):
        _, out, _ = explain(
            capsys, "-c", file, "\x1b[2J\u202e", '{"\x1b": 1}'.replace("\x1b", "x"), "--format", look
        )
        assert "\x1b" not in out
        assert "\u202e" not in out
