"""No secret comes out, in whatever form it went in and in whatever pieces; everything else comes out as it was."""

import asyncio
import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callgate.config.secrets import SecretError
from callgate.runner.redaction import SHORTEST, Redactor, is_small

SECRET = 'päss/word+"x\\y=z'  # noqa: S105
FORMS = {
    "itself": SECRET,
    "in JSON": json.dumps({"key": SECRET}),
    "in JSON, beyond ASCII": json.dumps({"key": SECRET}, ensure_ascii=False),
    "in JSON within JSON": json.dumps(json.dumps([SECRET])),
    "in JSON with escaped slashes": json.dumps(SECRET).replace("/", "\\/"),
    "repr": repr([SECRET]),
    "repr of bytes": repr(SECRET.encode()),
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded, slashes left": quote(SECRET),
    "percent-encoded, small letters": quote(SECRET, safe="").replace("%2F", "%2f").replace("%C3%A4", "%c3%a4")
    .replace("%2B", "%2b").replace("%5C", "%5c").replace("%3D", "%3d"),
    "percent-encoded throughout": "".join(f"%{byte:02x}" for byte in SECRET.encode()),
    "in a form": quote_plus(SECRET),
    "hexadecimal": SECRET.encode().hex(),
    "hexadecimal, large letters": SECRET.encode().hex().upper(),
    **{f"base64 behind {n} bytes": base64.b64encode(b"user:"[:n] + SECRET.encode() + b"tail").decode()
       for n in range(6)},
    "base64 for URLs": base64.urlsafe_b64encode(b"?" + SECRET.encode()).decode(),
    "base64 without padding": base64.b64encode(SECRET.encode()).decode().rstrip("="),
}  # fmt: skip


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_a_secret_is_found_in_every_form(text: str) -> None:
    redactor = Redactor({"API_TOKEN": SECRET, "OTHER": "something else"})
    clean = redactor.text(f"before {text} behind")
    assert clean.count("[secret API_TOKEN]") == 1
    assert clean.startswith("before ")
    assert clean.endswith(" behind")


def test_each_of_several_secrets_goes_under_its_own_name() -> None:
    redactor = Redactor({"A": "first secret", "B": "second secret"})
    text = "first secret, second secret and first secretsecond secret"
    assert redactor.text(text) == "[secret A], [secret B] and [secret A][secret B]"


def test_the_longer_of_two_secrets_with_one_beginning_wins() -> None:
    redactor = Redactor({"SHORT": "abcdef", "LONG": "abcdefghij"})
    assert redactor.text("abcdefghij abcdefgh") == "[secret LONG] [secret SHORT]gh"


def test_plain_data_is_cleaned_in_keys_values_and_numbers() -> None:
    redactor = Redactor({"A": "hunter22", "PIN": "12345678"})
    value: dict[str, Any] = {
        "hunter22": [1, True, None, 2.5, {"x": ("hunter22",)}],
        "pin": 12345678,
        "long": 9912345678,
        "exact": Decimal("12345678.5"),
    }
    assert redactor.json(value) == {
        "[secret A]": [1, True, None, 2.5, {"x": ["[secret A]"]}],
        "pin": "[secret PIN]",
        "long": "99[secret PIN]",
        "exact": "[secret PIN].5",
    }


def test_keys_that_become_alike_stay_apart() -> None:
    redactor = Redactor({"A": "hunter22"})
    assert sorted(redactor.json({"hunter22": 1, "[secret A]": 2, "aHVudGVyMjI": 3}).values()) == [1, 2, 3]


def test_deep_data_is_cleaned_to_the_ground() -> None:
    value: Any = "hunter22"
    for _ in range(300):
        value = [value]
    clean = Redactor({"A": "hunter22"}).json(value)
    for _ in range(300):
        (clean,) = clean
    assert clean == "[secret A]"


@pytest.mark.parametrize("value", ["", "x9", "12345", "é" * 5])
def test_a_short_secret_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(SecretError) as error:
        Redactor({"GOOD": "long enough", "PIN": value})
    assert error.value.code == "CFG059"
    assert "`PIN`" in error.value.message
    assert not value or value not in error.value.message


def test_without_secrets_everything_passes_at_once() -> None:
    redactor = Redactor({})
    assert redactor.text("x\ud800") == "x\ud800"
    stream = redactor.stream()
    assert stream.feed(b"\xff\x00") == b"\xff\x00"
    assert stream.flush() == b""


def test_what_cannot_begin_a_secret_is_not_held_back() -> None:
    stream = Redactor({"A": "hunter22" * 100}).stream()
    assert stream.feed(b"step 1 of 9\n") == b"step 1 of 9\n"
    assert stream.feed(b"now hunt") == b"now "
    assert stream.feed(b"ing") == b"hunting"
    assert stream.feed(b"hunter22" * 50) == b""
    assert stream.feed(b"!") == b"hunter22" * 50 + b"!"
    assert stream.flush() == b""


def test_a_secret_in_the_last_bytes_is_found_at_the_end() -> None:
    stream = Redactor({"SHORT": "abcdef", "LONG": "abcdefghij"}).stream()
    assert stream.feed(b"abcdef") == b""
    assert stream.flush() == b"[secret SHORT]"
    assert stream.feed(b"abcd") == b""
    assert stream.flush() == b"abcd"


def test_neither_a_secret_nor_its_form_is_in_the_repr() -> None:
    redactor = Redactor({"A": "hunter22"})
    stream = redactor.stream()
    stream.feed(b"hunte")
    assert "hunte" not in repr((redactor, stream))


def test_text_full_of_beginnings_takes_no_longer_than_other_text() -> None:
    redactor = Redactor({"A": "a" * 200 + "b", "B": "sk-ant-" + "x" * 50})
    searches = 0
    search: Callable[[bytes, int], int] = redactor._search

    def counting(data: bytes, start: int) -> int:
        nonlocal searches
        searches += 1
        return search(data, start)

    redactor._search = counting
    text = "sk-ant-" * 10_000
    assert redactor.text(text) == text
    assert searches == 1


# Few letters, so that beginnings, overlaps and repetitions are frequent; brackets, because markers have them.
_LETTERS = st.text(alphabet="ab]", min_size=0, max_size=5)
_SECRETS = st.dictionaries(
    st.sampled_from(["A", "B", "secret"]),
    st.one_of(
        st.text(alphabet="ab]", min_size=SHORTEST, max_size=9),
        st.text(alphabet="ab[", min_size=31, max_size=70),
        st.sampled_from(["[secret A]", "secret", "secret A", "] [secret", "████████", "ab/ä+\"x", "123456"]),
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


@st.composite
def _leaks(draw: st.DrawFn) -> tuple[dict[str, str], bytes, list[int]]:
    """Secrets, bytes that are full of them and of parts of them, and where these are cut into pieces."""
    secrets = draw(_SECRETS)
    whole = st.sampled_from(sorted(secrets.values()))
    part = whole.flatmap(lambda secret: st.integers(1, len(secret)).map(lambda n: secret[:n]))
    end = whole.flatmap(lambda secret: st.integers(0, len(secret)).map(lambda n: secret[n:]))
    coded = whole.map(lambda secret: base64.b64encode(b"x" + secret.encode()).decode())
    text = "".join(draw(st.lists(st.one_of(whole, part, end, coded, _LETTERS), max_size=8)))
    data = text.encode() + draw(st.sampled_from([b"", b"\xff", b"\xe2\x96"]))
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=12))
    return secrets, data, sorted(cuts)


@settings(max_examples=400, deadline=None)
@given(_leaks())
@example(({"A": "]abcde", "B": "secretB"}, b"secretBabcde", [3]))
@example(({"A": "aabbccdd" * 5, "B": "bbccdda"}, b"aabbccdda", [9]))
def test_no_output_holds_a_secret_whatever_the_pieces(leak: tuple[dict[str, str], bytes, list[int]]) -> None:
    secrets, data, cuts = leak
    redactor = Redactor(secrets)
    stream = redactor.stream()
    longest = max(map(len, (form for forms in redactor._forms.values() for form, _ in forms)))
    pieces = [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    out = b""
    taken = 0
    for piece in pieces:
        out += stream.feed(piece)
        taken += len(piece)
        assert len(stream._held) < longest
    out += stream.flush()
    whole = redactor.stream()
    assert out == whole.feed(data) + whole.flush()
    for secret in secrets.values():
        assert secret.encode() not in out
        assert json.dumps(secret)[1:-1].encode() not in out
        assert quote(secret, safe="").encode() not in out


@settings(max_examples=150, deadline=None)
@given(_SECRETS, st.text(max_size=30), st.text(max_size=30))
def test_what_holds_no_secret_comes_out_as_it_was(secrets: dict[str, str], one: str, other: str) -> None:
    redactor = Redactor(secrets)
    text = one + other
    forms = [form for found in redactor._forms.values() for form, _ in found]
    if not any(form in text.encode("utf-8", "surrogatepass") for form in forms):
        assert redactor.text(text) == text
        stream = redactor.stream()
        data = text.encode("utf-8", "surrogatepass")
        assert stream.feed(data) + stream.flush() == data


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_json_holds_is_found_in_every_form_amid_much_else(form: str) -> None:
    redactor = Redactor({"API_TOKEN": SECRET})
    for value in ([["a"] * 99, {"x": f'\n"{form}"'}], {f"\\{form}": None}, [form, "\ud800"]):
        found = json.dumps(redactor.json(value))
        assert found.count("[secret API_TOKEN]") == 1
        assert json.dumps(form)[1:-1] not in found


def test_data_without_a_secret_comes_back_itself_and_not_as_a_copy() -> None:
    value = {"a": [["x", 1, None, Decimal("1.5")]] * 9}
    assert Redactor({"A": "hunter22", "PIN": "12345678"}).json(value) is value


def test_large_data_is_cleaned_while_others_go_on() -> None:
    async def clean() -> tuple[Any, int]:
        cleaning = asyncio.ensure_future(Redactor({"A": "hunter22"}).json_aside(["hunter22"] * 100_000))
        turns = 0
        while not cleaning.done():
            await asyncio.sleep(0)
            turns += 1
        return cleaning.result(), turns

    value, turns = asyncio.run(clean())
    assert value == ["[secret A]"] * 100_000
    assert turns > 2


@pytest.mark.parametrize(
    ("value", "small"),
    [
        ("x", True),
        ("x" * 2000, False),
        ([], True),
        ([1] * 1000, False),
        ({"x" * 2000: 1}, False),
        ([["x" * 500]] * 9, False),
        ({"a": [1, "b", None]}, True),
    ],
)
def test_small_data_is_told_from_large(value: Any, small: bool) -> None:
    assert is_small(value, 1000) is small


@pytest.mark.parametrize("dots", ["...", "…"])
@pytest.mark.parametrize("form", [SECRET, json.dumps(SECRET)[1:-1], SECRET.encode().hex(), quote(SECRET)])
def test_a_text_that_was_cut_off_amid_a_secret_shows_no_part_of_it(form: str, dots: str) -> None:
    redactor = Redactor({"API_TOKEN": SECRET})
    for length in range(4, len(form)):
        part = form[:length]
        if len(part.encode()) >= 4 and len(redactor.text(part)) == len(part):
            assert redactor.cut(f"it said {part}{dots}", 99) == f"it said {dots}"
            assert redactor.cut(f"it said {part}", len(f"it said {part}")) == "it said "


def test_a_text_that_was_not_cut_off_keeps_its_end_and_no_more_than_it_may() -> None:
    redactor = Redactor({"A": "hunter22"})
    assert redactor.cut("hunter", 99) == "hunter"
    assert redactor.cut("x" * 50 + "hunter22", 20) == "x" * 20
    assert redactor.cut("no secret...", 99) == "no secret..."
    assert redactor.cut("hunter22", 8) == "[secret "
