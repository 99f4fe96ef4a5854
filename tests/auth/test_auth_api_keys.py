"""API keys: made, stored as hashes, checked, reloaded."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from auth_parts import NOW, bearing, code_of, header_of, refusal, request
from hypothesis import given
from hypothesis import strategies as st

from callgate.auth.apikeys import ApiKey, KeyRing, new_key
from callgate.auth.authenticator import Authenticator
from callgate.auth.challenge import Denied
from callgate.auth.keyfile import MAX_BYTES, load_keys, read_keyfile
from callgate.clock import ManualClock
from callgate.config.model import AuthConfig
from callgate.errors import PolicyError


def entry(id: str, digest: str, more: str = "", identity: str = "ci-bot") -> str:
    return f'  - {{id: "{id}", sha256: "{digest}", identity: {identity}{more}}}\n'


def keyfile(folder: Path, *entries: str, mode: int = 0o600) -> Path:
    file = folder / "keys.yaml"
    file.write_text("keys:\n" + "".join(entries) if entries else "keys: []\n")
    file.chmod(mode)
    return file


def gate(file: Path, clock: ManualClock | None = None) -> Authenticator:
    return Authenticator(AuthConfig(keys=str(file)), clock=clock or ManualClock())


def test_a_key_lets_in_whom_its_entry_names(tmp_path: Path) -> None:
    key, id, digest = new_key()
    auth = gate(keyfile(tmp_path, entry(id, digest, ", claims: {team: billing, level: 3, on: [1.5]}")))
    for _ in range(2):
        found = auth.identify(bearing(key))
        assert (found.identity, found.proven, found.expires_at) == ("key:ci-bot", True, None)
        assert found.claims["team"] == "billing"
        assert found.claims["level"] == 3


def test_keys_differ_and_have_256_bits() -> None:
    made = {new_key()[0] for _ in range(100)}
    assert len(made) == 100
    for key in made:
        prefix, id, secret = key.split("_")
        assert (prefix, len(id)) == ("cg", 12)
        assert 62 ** len(secret) > 2**256


def test_two_keys_may_belong_to_one_caller(tmp_path: Path) -> None:
    one, two = new_key(), new_key()
    auth = gate(keyfile(tmp_path, entry(*one[1:]), entry(*two[1:])))
    assert auth.identify(bearing(one[0])) == auth.identify(bearing(two[0]))


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"),
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key.upper(),
        lambda key: key.replace("cg_", "CG_"),
        lambda key: "cg_" + "a" * 12 + key[15:],
        lambda key: key[:16],
        lambda key: key[:3],
        lambda key: "cg__" + key[16:],
        lambda key: key[:16] + "-" * 43,
        lambda key: key[:16] + sha256(key[16:].encode()).hexdigest(),
        lambda key: key[:15] + "." + key[16:],
    ],
)
def test_any_other_key_is_refused_alike(tmp_path: Path, change: Callable[[str], str]) -> None:
    key, id, digest = new_key()
    auth = gate(keyfile(tmp_path, entry(id, digest)))
    refused = refusal(lambda: auth.identify(bearing(change(key))))
    if code_of(refused) == "AUTH005":
        assert not change(key).startswith("cg_")
    else:
        assert refused.body == refusal(lambda: auth.identify(bearing(new_key()[0]))).body
    assert refused.status == 401


@given(st.binary(max_size=80))
def test_no_heap_of_bytes_is_a_key(token: bytes) -> None:
    with pytest.raises(Denied):
        KeyRing([ApiKey(id="a" * 12, sha256=b"0" * 32, identity="x")]).verify(token, 0.0)


def test_an_unknown_id_is_compared_like_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    key, id, digest = new_key()
    ring = KeyRing([ApiKey(id=id, sha256=bytes.fromhex(digest), identity="x")])
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("callgate.auth.apikeys.hmac.compare_digest", compare)
    ring.verify(key.encode(), 0.0)
    with pytest.raises(Denied):
        ring.verify(new_key()[0].encode(), 0.0)
    assert compared == [(32, 32)] * 2


def test_a_key_ends_when_its_entry_says(tmp_path: Path) -> None:
    key, id, digest = new_key()
    clock = ManualClock()
    ends = datetime.fromtimestamp(NOW + 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    auth = gate(keyfile(tmp_path, entry(id, digest, f", expires: {ends}")), clock)
    assert auth.identify(bearing(key)).expires_at == NOW + 60
    clock.advance(59)
    assert auth.identify(bearing(key)).proven
    clock.advance(1)
    refused = refusal(lambda: auth.identify(bearing(key)))
    assert (refused.status, code_of(refused)) == (401, "AUTH004")


def test_a_disabled_key_is_refused_like_an_unknown_one(tmp_path: Path) -> None:
    key, id, digest = new_key()
    auth = gate(keyfile(tmp_path, entry(id, digest, ", disabled: true")))
    assert code_of(refusal(lambda: auth.identify(bearing(key)))) == "AUTH003"


def test_nothing_sent_is_401_without_an_error(tmp_path: Path) -> None:
    refused = refusal(lambda: gate(keyfile(tmp_path)).identify(request()))
    assert (refused.status, header_of(refused, b"www-authenticate")) == (401, 'Bearer realm="callgate"')
    assert b'"error"' not in refused.body


def test_a_token_where_only_keys_are_accepted_is_refused(tmp_path: Path) -> None:
    assert code_of(refusal(lambda: gate(keyfile(tmp_path)).identify(bearing("a.b.c")))) == "AUTH005"


class TestReload:
    def test_a_removed_key_is_refused_at_once(self, tmp_path: Path) -> None:
        one, two = new_key(), new_key()
        auth = gate(keyfile(tmp_path, entry(*one[1:])))
        auth.identify(bearing(one[0]))
        keyfile(tmp_path, entry(*two[1:]))
        auth.reload()
        assert auth.identify(bearing(two[0])).proven
        assert code_of(refusal(lambda: auth.identify(bearing(one[0])))) == "AUTH003"

    @pytest.mark.parametrize("text", ["keys: [", "keys: {}", "", "keys:\n  - {id: x}\n"])
    def test_a_bad_edit_changes_nothing(self, tmp_path: Path, text: str) -> None:
        key, id, digest = new_key()
        file = keyfile(tmp_path, entry(id, digest))
        auth = gate(file)
        file.write_text(text)
        with pytest.raises(PolicyError):
            auth.reload()
        assert auth.identify(bearing(key)).proven

    def test_a_lost_file_changes_nothing(self, tmp_path: Path) -> None:
        key, id, digest = new_key()
        file = keyfile(tmp_path, entry(id, digest))
        auth = gate(file)
        file.unlink()
        with pytest.raises(PolicyError) as caught:
            auth.reload()
        assert caught.value.code == "AUTH030"
        assert auth.identify(bearing(key)).proven


class TestFile:
    def codes(self, text: str, mode: int = 0o600) -> list[tuple[str, int | None]]:
        with pytest.raises(PolicyError) as caught:
            load_keys(text.encode(), "keys.yaml", mode)
        return [(each.code, each.source.line if each.source else None) for each in caught.value.diagnostics]

    @pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
    def test_one_that_others_may_write_is_refused(self, tmp_path: Path, mode: int) -> None:
        with pytest.raises(PolicyError) as caught:
            read_keyfile(str(keyfile(tmp_path, mode=mode)))
        assert caught.value.code == "AUTH031"

    @pytest.mark.parametrize(
        ("mode", "codes"), [(0o600, []), (0o400, []), (0o444, []), (0o640, ["AUTH032"]), (0o644, ["AUTH032"])]
    )
    def test_one_that_others_may_read_is_warned_of(self, tmp_path: Path, mode: int, codes: list[str]) -> None:
        auth = gate(keyfile(tmp_path, mode=mode))
        assert [warning.code for warning in auth.warnings] == codes

    @pytest.mark.parametrize("what", ["directory", "absent", "fifo", "odd"])
    def test_what_is_no_file_is_said_to_be_none(self, tmp_path: Path, what: str) -> None:
        import os

        path = tmp_path / "x"
        if what == "directory":
            path.mkdir()
        elif what == "fifo":
            os.mkfifo(path)
        with pytest.raises(PolicyError) as caught:
            read_keyfile("a\0b" if what == "odd" else str(path))
        assert caught.value.code == "AUTH030"

    def test_every_mistake_is_found_with_its_place(self) -> None:
        good = "0" * 64
        text = "\n".join(
            [
                "keys:",
                f"  - {{id: ABC, sha256: '{good}', identity: a}}",
                "  - {id: aaaaaaaaaaaa, sha256: abc, identity: a}",
                f"  - {{id: aaaaaaaaaaaa, sha256: '{good}', identity: 'key:x'}}",
                f"  - {{id: aaaaaaaaaaaa, sha256: '{good}', identity: a, expires: tomorrow}}",
                f"  - {{id: aaaaaaaaaaaa, sha256: '{good}', identity: a, expires: 2027-02-30}}",
                f"  - {{id: aaaaaaaaaaaa, sha256: '{good}', identity: a, disabled: yes}}",
                f"  - {{id: aaaaaaaaaaaa, sha256: '{good}'}}",
                f"  - {{id: aaaaaaaaaaaa, sha256: '{good}', identity: a, colour: red}}",
                "  - nothing",
            ]
        )
        assert self.codes(text) == [
            ("AUTH033", 2),
            ("AUTH033", 3),
            ("AUTH033", 4),
            ("AUTH033", 5),
            ("AUTH033", 6),
            ("AUTH033", 7),
            ("AUTH033", 8),
            ("AUTH033", 9),
            ("AUTH033", 10),
        ]

    def test_a_file_that_cannot_be_read_as_text_is_told_of_by_its_name(self) -> None:
        for data in (b"\xff\xfek", b"keys: [\x00]", b" " * (MAX_BYTES + 1), b"keys: ["):
            with pytest.raises(PolicyError) as caught:
                load_keys(data, "keys.yaml")
            (found,) = caught.value.diagnostics
            assert found.code == "AUTH033"
            assert found.source is not None
            assert found.source.file == "keys.yaml"

    def test_two_entries_for_one_id_or_one_secret_are_refused(self) -> None:
        one, other = "0" * 64, "1" * 64
        text = "keys:\n" + entry("a" * 12, one) + entry("a" * 12, other) + entry("b" * 12, one)
        assert self.codes(text) == [("AUTH034", 3), ("AUTH034", 4)]

    def test_a_secret_in_the_wrong_place_is_not_shown(self) -> None:
        key = new_key()[0]
        places = (
            f"keys: [{{id: {key}, sha256: {key}, identity: 'a {key}'}}]",
            f"keys: [{{id: {key}, claims: {key}, expires: {key[16:]}, {key[16:]}: x}}]",
            f"keys: {key}",
            f"{key}",
            f"keys: [{{{key}: 1, {key}: 2}}]",
        )
        for text in places:
            with pytest.raises(PolicyError) as caught:
                load_keys(text.encode(), "keys.yaml")
            for finding in caught.value.diagnostics:
                assert key[16:] not in finding.message + (finding.help or "") + (finding.line_text or "")

    def test_digits_only_are_a_usable_id_and_hash(self) -> None:
        text = f"keys: [{{id: {'1' * 12}, sha256: {'0' * 62 + '12'}, identity: a}}]"
        assert load_keys(text.encode(), "keys.yaml").keys[0].sha256[-1] == 0x12
