"""Whatever the bytes are, loading ends with a policy or with a PolicyError whose places are in the file."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callgate.codes.policy import CODES
from callgate.errors import PolicyError
from callgate.policy.load import load_policy
from callgate.policy.normalized import normalized, to_json

_FOLDER = Path(__file__).parents[2] / "policies"
_POLICIES = sorted((*_FOLDER.rglob("*.yaml"), *_FOLDER.glob("hosted/*.json")))

_WORDS = st.sampled_from(
    ["version", "default", "hide", "tools", "rules", "action", "when", "rate_limit", "validate", "args", "reason",
     "max", "window", "scope", "per", "cost", "conditions", "path", "op", "value", "state", "counter", "increment",
     "increment_from", "on_deny", "name", "all_tools", "limits", "require", "deny_if", "allow", "deny", "evaluate",
     "eq", "in", "lt", "regex", "exists", "contains", "args.a", "state.t.c", "tool", "identity", "1", "'1'", "10/s",
     "5/hour", "60", "0", "-1", "1.5", ".inf", "1h", "true", "no", "~", "''", "*", "'*'", "t_[a", "&a", "*a", "<<",
     "!!str", "required_args", "schema", "type", "$ref", "'#/x'", "pattern", "'(a'", "grant", "minute", "integer"]
)  # fmt: skip

_TREES = st.recursive(
    _WORDS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda each: f"[{', '.join(each)}]"),
        st.lists(st.tuples(_WORDS, inner), max_size=5).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=25,
)


def _survives(data: bytes) -> None:
    try:
        document = load_policy(data, "policy.yaml")
    except PolicyError as error:
        found = error.diagnostics
        assert any(each.severity == "error" for each in found)
    else:
        found = document.warnings
        assert to_json(normalized(document))
        assert all(each.severity == "warning" for each in found)
    lines = data.count(b"\n") + 1
    for each in found:
        assert each.code in CODES
        assert each.message.isprintable()
        assert each.help is None or each.help.isprintable()
        assert each.source is None or (
            1 <= each.source.line <= lines and each.source.column >= 1 <= each.source.length
        )
    places = [(each.source.line, each.source.column) for each in found if each.source]
    assert places == sorted(places)


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"a: \xed\xa0\x80")
@example(b"'" + b"a" * 2000 + b"': 1")
def test_any_bytes(data: bytes) -> None:
    _survives(data)


@given(st.text(max_size=200))
@example("? ? ? :")
@example("%TAG ! x\n---\n!a b")
@example("- &a [*a]")
def test_any_text(text: str) -> None:
    _survives(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300)
@given(_TREES)
@example("{tools: {a: {rules: [{validate: {args: {a: {type: [], $ref: '#/x'}}}}]}}}")
@example(
    "{version: 1, tools: {a: {rules: [{name: ~, conditions: [{path: state.t.c, op: in, value: {a: []}}]}]}}}"
)
def test_anything_that_looks_like_a_policy(text: str) -> None:
    _survives(text.encode())


@settings(max_examples=300)
@given(st.sampled_from(_POLICIES), st.data())
def test_a_good_policy_with_one_place_changed(file: Path, data: st.DataObject) -> None:
    content = file.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 12)))
    patch = data.draw(st.one_of(st.binary(max_size=6), _WORDS.map(str.encode)))
    _survives(content[:start] + patch + content[end:])


@settings(max_examples=200)
@given(st.sampled_from(_POLICIES), st.data())
def test_a_good_policy_with_lines_dropped_doubled_and_moved(file: Path, data: st.DataObject) -> None:
    lines = file.read_bytes().split(b"\n")
    _survives(b"\n".join(data.draw(st.lists(st.sampled_from(lines), max_size=len(lines)))))


@pytest.mark.parametrize("file", _POLICIES, ids=lambda file: file.name)
def test_every_example_policy_loads_without_a_warning(file: Path) -> None:
    assert load_policy(file.read_bytes(), file.name).warnings == ()


@pytest.mark.parametrize(
    "data",
    [
        b"{" * 20_000,
        b"? " * 20_000,
        b"!" * 20_000,
        b"a: " + b"&a " * 20_000,
        b"'" * 200_001,
        b"- " * 20_000 + b"x",
        b"tools: {" + b"a: {rules: [" * 5_000,
        b"a: |\n" + b" x\n" * 200_000,
        b"\n" * 1_000_000,
        b"tools: {t: {rules: [{when: {args.a: {regex: '" + b"(" * 10_000 + b"'}}}]}}",
        b"tools: {t: {rules: [{when: {args.a: {regex: '" + b"a{1000}" * 500 + b"'}}}]}}",
        b"tools: {t: {rules: [{rate_limit: " + b"9" * 100_000 + b"/s}]}}",
        b"tools: {t: {rules: [{rate_limit: {max: 1, window: " + b"9" * 100_000 + b"}}]}}",
        b"tools: {" + b"x" * 100_000 + b": {rules: []}}",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_files_made_to_hurt_are_refused_or_read(data: bytes) -> None:
    _survives(data)


def test_every_code_in_use_has_a_page_and_every_page_a_use() -> None:
    source = Path(__file__).parents[2] / "src/callgate"
    used = {
        code
        for file in source.rglob("*.py")
        if file.parent.name != "codes"
        for code in re.findall(r'"(POL\d{3})"', file.read_text())
    }
    assert used == set(CODES)
