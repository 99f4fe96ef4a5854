"""`callgate policy explain`: its three looks, its exit status, and what it refuses to read."""

import json
from pathlib import Path
from typing import Any

import pytest

from callgate.cli.main import main
from callgate.identity import local_identity

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


@pytest.mark.parametrize(
    ("amount", "code"),
    [("1000000.01", "DEN020"), ("999999999999999999999", "DEN020"), ("1000000.00", "")],
)
def test_a_call_that_alone_exceeds_a_limit_is_denied_without_a_look_at_any_counter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], amount: str, code: str
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        POLICY.replace("      - {action: deny, name: cap, when: {args.amount: {gt: 50000}}}\n", "")
    )
    words = ("-c", str(path), "create_charge", f'{{"amount": {amount}, "currency": "usd"}}')
    data = as_json(capsys, *words)
    assert data["effect"] == ("deny" if code else "allow")
    assert [(reason["code"], reason["rule"]) for reason in data["reasons"]] == (
        [(code, "spend")] if code else []
    )
    status, out, _ = explain(capsys, *words)
    assert status == (1 if code else 0)
    assert ("alone exceeds the limit" in out) is (code == "DEN020")


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


@pytest.mark.parametrize("look", ["human", "plain"])
def test_without_the_tools_a_check_of_their_schema_is_unknown_and_does_not_deny(
    file: str, capsys: pytest.CaptureFixture[str], look: str
) -> None:
    status, out, _ = explain(capsys, "-c", file, "edit", "{}", "--format", look)
    assert status == 0
    (row,) = [line.split() for line in out.splitlines() if "edit:" in line]
    assert row[:2] == ["unknown", "allow"]
    assert "required_args, schema not checked: no --tools FILE; the gate asks the server itself" in out
    verdict = "strictest wins: allow, as far as can be told without the tools' schemas (--tools FILE)"
    assert out.endswith(f"{verdict}\n")


def test_the_data_lists_what_was_not_checked(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = as_json(capsys, "-c", file, "edit", "{}")
    assert data["effect"] == "allow"
    assert [(each["check"], each["source"]["line"]) for each in data["not_checked"]] == [
        ("required_args", 7),
        ("schema", 7),
    ]
    assert as_json(capsys, "-c", file, "create_charge", CHARGE)["not_checked"] == []


def test_what_else_denies_still_does_without_the_tools(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "tools: {t: {rules: [{validate: {schema: true, args: {a: {maximum: 5}}}}, "
        "{action: deny, when: {args.b: 1}}]}}"
    )
    assert explain(capsys, "-c", str(path), "t", '{"a": 6, "b": 0}')[0] == 1
    assert explain(capsys, "-c", str(path), "t", '{"a": 5, "b": 1}')[0] == 1
    status, out, _ = explain(capsys, "-c", str(path), "t", '{"a": 5, "b": 0}')
    assert (status, "not checked" in out) == (0, True)


@pytest.mark.parametrize(
    ("listing", "note"),
    [
        ([{**TOOL, "name": "edits"}], "does not list `edit`: did you mean `edits`?"),
        ([TOOL, TOOL], "lists `edit` 2 times, so none counts"),
        ([{"name": "edit"}], "lists `edit` without an input schema"),
    ],
)
def test_a_tool_that_the_list_gives_no_schema_of_is_judged_as_the_gate_would(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], listing: Any, note: str
) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps(listing))
    status, out, _ = explain(capsys, "-c", file, "edit", "{}", "--tools", str(tools))
    assert status == 1
    assert note in out
    data = as_json(capsys, "-c", file, "edit", "{}", "--tools", str(tools))
    assert [reason["code"] for reason in data["reasons"]] == ["DEN008"]
    assert note in data["notes"][0]


def test_the_caller_is_the_one_that_the_gate_sees_over_stdio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"tools: {{t: {{rules: [{{action: deny, when: {{identity: '{local_identity()}'}}}}]}}}}")
    assert local_identity().startswith("local:")
    assert explain(capsys, "-c", str(path), "t")[0] == 1
    assert explain(capsys, "-c", str(path), "t", "--identity", "local")[0] == 0


CLAIMS = """\
default: deny
tools: {deploy: {rules: [{when: {identity: ann, identity.team: ops, identity.level: {gte: 3}}}]}}
"""


def test_identity_and_claims_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(CLAIMS)
    words = ("-c", str(path), "deploy", "{}", "--identity", "ann", "--claim", 'team="ops"', "--claim")
    assert explain(capsys, *words, "level=3")[0] == 0
    assert explain(capsys, *words, "level=2")[0] == 1
    assert explain(capsys, *words, "other=3")[0] == 1


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        (["team"], "`team` is not a claim"),
        (["=1"], "`=1` is not a claim"),
        (["team=ops"], "the claim `team` is not JSON"),
        (["a=1", "a=2"], "the claim `a` is given twice"),
    ],
)
def test_a_claim_that_cannot_be_read_is_a_usage_error(
    file: str, capsys: pytest.CaptureFixture[str], claims: list[str], message: str
) -> None:
    words = [word for claim in claims for word in ("--claim", claim)]
    status, _, err = explain(capsys, "-c", file, "other", "{}", *words)
    assert status == 2
    assert "USE022" in err
    assert message in err
