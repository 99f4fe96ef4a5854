"""`callgate key new` and `callgate key list`, as a person uses them."""

import json
from pathlib import Path

import pytest

from callgate.auth.keyfile import load_keys
from callgate.cli.main import main


def made(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """The key and the entry that a new one is shown with."""
    assert main(["key", "new", *words]) == 0
    shown = capsys.readouterr()
    return shown.out.strip(), shown.err.split("\n\n")[1] + "\n"


def test_a_new_key_and_its_entry_fit_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    key, entry = made(
        capsys, "--identity", "ci-bot", "--claim", 'team=a "b"', "--claim", "x=", "--expires", "90d"
    )
    ring = load_keys(f"keys:\n{entry}".encode(), "keys.yaml")
    found = ring.verify(key.encode(), 0.0)
    assert found.identity == "key:ci-bot"
    assert found.claims == {"team": 'a "b"', "x": ""}
    assert found.expires_at is not None


def test_the_key_is_shown_once_and_the_entry_does_not_hold_it(capsys: pytest.CaptureFixture[str]) -> None:
    key, entry = made(capsys, "--identity", "a")
    assert "\n" not in key
    assert key[16:] not in entry


def test_as_json_both_are_in_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", "--identity", "a", "--expires", "2999-01-31", "--format", "json"]) == 0
    shown = capsys.readouterr()
    data = json.loads(shown.out)
    assert (data["schema"], shown.err) == ("callgate/key@1", "")
    ring = load_keys(json.dumps({"keys": [data["entry"]]}).encode(), "keys.yaml")
    assert ring.verify(data["key"].encode(), 0.0).expires_at == 32474736000.0


def test_no_file_is_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text("keys: []  # ours\n")
    file.chmod(0o600)
    made(capsys, "--identity", "a", "-f", str(file))
    assert file.read_text() == "keys: []  # ours\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_broken_file_is_told_of_before_there_is_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text("keys: {}\n")
    file.chmod(0o600)
    assert main(["key", "new", "--identity", "a", "-f", str(file)]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "AUTH033" in shown.err


@pytest.mark.parametrize(
    "words",
    [
        ["--identity", "a b"],
        ["--identity", ""],
        ["--identity", "key:x"],
        ["--identity", "a", "--claim", "x"],
        ["--identity", "a", "--claim", "=x"],
        ["--identity", "a", "--claim", "x=1", "--claim", "x=2"],
        ["--identity", "a", "--claim", "x=\u202e"],
        ["--identity", "a", "--expires", "soon"],
        ["--identity", "a", "--expires", "0d"],
        ["--identity", "a", "--expires", "2020-01-01"],
        ["--identity", "a", "--expires", "2027-13-01"],
        ["--identity", "a", "--expires", "99999w"],
    ],
)
def test_what_cannot_be_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "error[AUTH040]" in shown.err


class TestList:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        file = tmp_path / "keys.yaml"
        lines = [
            f"  - {{id: {'a' * 12}, sha256: '{'0' * 64}', identity: one}}",
            f"  - {{id: {'b' * 12}, sha256: '{'1' * 64}', identity: two, expires: 2020-01-31, claims: {{team: x}}}}",
            f"  - {{id: {'c' * 12}, sha256: '{'2' * 64}', identity: three, disabled: true}}",
        ]
        file.write_text("keys:\n" + "\n".join(lines) + "\n")
        file.chmod(0o600)
        return file

    def test_it_says_who_and_whether_it_works(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["key", "list", "-f", str(file)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "aaaaaaaaaaaa  active  key:one",
            "bbbbbbbbbbbb  expired  key:two  until 2020-01-31T00:00:00Z  team=x",
            "cccccccccccc  disabled  key:three",
        ]

    def test_as_json(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["key", "list", "-f", str(file), "--format", "json"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["schema"] == "callgate/keys@1"
        assert [key["status"] for key in data["keys"]] == ["active", "expired", "disabled"]
        assert "sha256" not in data["keys"][0]

    def test_a_file_that_others_can_read_is_warned_of(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.chmod(0o644)
        assert main(["key", "list", "-f", str(file)]) == 0
        assert "AUTH032" in capsys.readouterr().err
