"""A policy file is YAML 1.2 and nothing more: what programs read differently is refused, in its place."""

from decimal import Decimal

import pytest
from marked import expect, findings, load

from callgate.diagnostics import Source
from callgate.policy.findings import Findings
from callgate.policy.source_text import SourceText
from callgate.policy.yaml_fallback import PythonParser
from callgate.policy.yaml_tree import Node, parse


def _when(value: str) -> object:
    document = load(f"tools: {{t: {{rules: [{{action: deny, when: {{args.a: {{eq: {value}}}}}}}]}}}}")
    return document.tools[0].rules[0].when[0].value


@pytest.mark.parametrize(
    "word", ["no", "on", "yes", "off", "y", "No", "ON", "1_000", "0b1", "12:30", "2026-01-01"]
)
def test_words_that_yaml_1_1_converted_are_texts(word: str) -> None:
    assert _when(word) == word


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("012", 12),
        ("1.10", Decimal("1.10")),
        ("1e3", Decimal("1e3")),
        (".5", Decimal("0.5")),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
        ('"12"', "12"),
        ("'true'", "true"),
    ],
)
def test_scalars_follow_the_core_schema_and_numbers_are_exact(word: str, value: object) -> None:
    read = _when(word)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("word", [".inf", "-.INF", ".nan", "1e999", "1e-99999999999", "9" * 200])
def test_a_number_that_cannot_be_exact_is_an_error(word: str) -> None:
    expect(f"tools: {{t: {{rules: [{{when: {{args.a: {{lt: «{word}»}}}}}}]}}}}", "POL024")
    expect(f"tools: {{t: {{rules: [{{when: {{args.a: [1, «{word}»]}}}}]}}}}", "POL024")


@pytest.mark.parametrize("second", ["a", "'a'", '"a"', '"\\x61"'])
def test_a_duplicate_key_is_an_error_however_it_is_quoted(second: str) -> None:
    expect(f"tools:\n  a: {{rules: []}}\n  «{second}»: {{rules: []}}\n", "POL022 `a` | line 2")


def test_a_duplicate_key_through_an_alias_is_an_error() -> None:
    found = findings("tools:\n  &k a: {rules: []}\n  *k : {rules: []}\n")
    assert [each.code for each in found] == ["POL022"]


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("tools:\n  «404»: {rules: []}\n", "POL021 `404` is a number | quote"),
        ("tools:\n  «true»: {rules: []}\n", "POL021 `true` is a boolean"),
        ("tools:\n  ? «[a, b]»\n  : {rules: []}\n", "POL021 a key must be a string"),
        ("tools:\n  a: &b {rules: []}\n  c:\n    «<<»: *b\n    rules: []\n", "POL020 merge keys"),
        ("default: allow\ntools: «!!python/object:os.system» {}\n", "POL019 `!!python/object:os.system`"),
        ("default: «!secret» deny\n", "POL019 `!secret`"),
        ("tools: «*nowhere»\n", "POL018 `&nowhere`"),
        ("tools: &a {t: «*a»}\n", "POL018 inside its own anchor"),
        ("default: deny\n«---»\ndefault: allow\n", "POL015 more than one document"),
        ("«%YAML 1.1»\n---\ndefault: deny\n", "POL026 directive"),
        ("«%TAG ! tag:x.example,2026:»\n---\ndefault: deny\n", "POL026 directive"),
        ("tools:\n  a: b«:» c\n", "POL014 mapping values"),
        ("tools:\n«\t»a: {}\n", "POL014 cannot start any token | never with tabs"),
    ],
)
def test_what_yaml_allows_and_a_policy_does_not(marked: str, wanted: str) -> None:
    expect(marked, wanted)


def test_an_unclosed_bracket_is_told_at_the_end_of_the_file_with_the_line_it_starts_on() -> None:
    (only,) = findings("default: deny\ntools: [a,\n  b\n\n")
    assert (only.code, only.source) == ("POL014", Source("policy.yaml", 3, 4))
    assert "line 2" in only.message
    assert only.help == "a `[` or `{` is not closed"


def test_a_yaml_1_2_directive_may_stay() -> None:
    assert load("%YAML 1.2\n---\ndefault: deny\ntools: {a: {rules: []}}\n").default == "deny"


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "~\n", "{}\n"])
def test_a_file_that_rules_nothing_is_an_error(text: str) -> None:
    assert [each.code for each in findings(text)] == ["POL023"]


@pytest.mark.parametrize(("text", "what"), [("- a\n", "a list"), ("hello\n", "text"), ("5\n", "a number")])
def test_a_file_that_is_no_mapping_is_an_error(text: str, what: str) -> None:
    (only,) = findings(text)
    assert only.code == "POL002"
    assert what in only.message


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"default: deny\n# \xff\n", "POL012", (2, 3)),
        ("default: deny\n".encode("utf-16"), "POL012", (1, 1)),
        (b"default: deny\n#\x00\n", "POL013", (2, 2)),
        (b"default: deny\n# a\x1b[2J\n", "POL013", (2, 4)),
        ("default: deny # x\u2028tools: {}\n".encode(), "POL013", (1, 18)),
        ("default: deny # x\x85tools: {}\n".encode(), "POL013", (1, 18)),
        (b"default: deny # x\rtools: {}\n", "POL013", (1, 18)),
        (b"\xed\xa0\x80", "POL012", (1, 1)),
    ],
)
def test_bytes_that_people_and_programs_read_differently_are_refused(
    data: bytes, code: str, place: tuple[int, int]
) -> None:
    (only,) = findings(data)
    assert only.code == code
    assert only.source
    assert (only.source.line, only.source.column) == place


def test_a_byte_order_mark_and_crlf_are_accepted_and_do_not_move_columns() -> None:
    (only,) = findings(b"\xef\xbb\xbfdefalt: deny\r\ndefault: deny\r\ntools: {a: {rules: []}}\r\n")
    assert only.source == Source("policy.yaml", 1, 1, 6)
    assert only.line_text == "defalt: deny"


def test_columns_count_characters_and_not_bytes() -> None:
    expect("tools: {ünïcödé中文: {rules: []}, b: {«rulez»: []}}", "POL001 `rulez`")


def test_anchors_and_aliases_work() -> None:
    document = load("tools:\n  a: &a {rules: [{rate_limit: 5/hour}]}\n  b: *a\n")
    assert document.tools[0].rules == document.tools[1].rules


def test_an_error_behind_an_alias_is_told_once() -> None:
    found = findings("tools:\n  a: {rules: [&r {actoin: deny}, *r, *r]}\n")
    assert [each.code for each in found] == ["POL001"]


def test_a_bomb_of_aliases_is_refused_by_counting() -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 30)]
    found = findings("\n".join(levels))
    assert [each.code for each in found] == ["POL017"]


def test_depth_is_bounded_also_through_aliases() -> None:
    assert [each.code for each in findings("[" * 5000)] == ["POL016"]
    assert [each.code for each in findings("- " * 5000)] == ["POL016"]
    chain = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100)]
    assert [each.code for each in findings("\n".join(chain))] == ["POL016"]


def test_a_file_over_a_mebibyte_is_refused_and_one_below_is_bounded_by_its_nodes() -> None:
    assert [each.code for each in findings(b"#" * ((1 << 20) + 1))] == ["POL011"]
    assert [each.code for each in findings(b"[" + b"1," * 500_000 + b"]")] == ["POL017"]


def test_a_file_with_endless_errors_tells_the_first_ones_and_how_many_more() -> None:
    found = findings("tools:\n" + "".join(f"  t{n}: 5\n" for n in range(1000)))
    assert len(found) == 201
    assert (found[-1].code, found[-1].message) == ("POL025", "800 more errors are not shown")


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [x, 'y', {c: \"d\"}]\ne: |\n  f\n",
        "tools:\n  t: &a {rules: [{rate_limit: 5/s}]}\n  ü: *a\n",
        "a: 1\na: 2\n",
        "a: !!str b\n",
        "- [\n",
        "a: *b\n",
        "",
    ],
)
def test_the_parser_without_the_c_extension_reads_the_same(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> tuple[Node | None, list[tuple[str, int]]]:
        source = SourceText("policy.yaml", text)
        recorded = Findings(source)
        tree = parse(source, recorded)
        return tree, [(each.code, each.source.line) for each in recorded.sorted() if each.source]

    with_c = read()
    monkeypatch.setattr("callgate.policy.yaml_tree._parser", PythonParser)
    assert read() == with_c
