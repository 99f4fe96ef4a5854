"""Secrets are read from where they are, and shown nowhere."""

import os
from pathlib import Path

import pytest
from config_files import URL_SERVER, config, findings

from callgate.cli.render import diagnostics_data, render_human, render_plain
from callgate.config.model import Secret
from callgate.config.reload import one_line
from callgate.config.secrets import MAX_BYTES, SecretError, read_secret

LITERAL = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        URL_SERVER.format(f"headers: {{Authorization: Bearer {LITERAL}, Host: x, Oops}}, tmeout: 5"),
        URL_SERVER.format(f'headers: {{X-Api-Key: "{LITERAL}", X: [1]}}'),
        URL_SERVER.format(f'headers: {{X-Api-Key: "{LITERAL}\\n"}}'),
        URL_SERVER.format(f"headers: {{Any: [{LITERAL}]}}, nope: 1"),
        "servers: {a: {command: [a], policy: git.yaml, env: {DB_PASSWORD: " + LITERAL + ", 5x: a}, nope: 1}}",
        "servers: {a: {command: [a], policy: git.yaml, env: {DB_PASSWORD: {env: X}}}, b: 5}\n"
        f"sessions: {{secret: {LITERAL}, nope: 1}}",
        URL_SERVER.format("timeout: 5s") + f"\nstate: redis://:{LITERAL}@cache/0",
        URL_SERVER.format("timeout: 5s") + f"\nstate: rediss://cache/0?password={LITERAL}",
        URL_SERVER.format("timeout: 5s") + f"\nstate: redi://user:{LITERAL}@cache/0",
        f"servers: {{a: {{url: 'https://user:{LITERAL}@docs.example.com', policy: git.yaml}}}}",
        f"servers: {{a: {{url: 'https://user:{LITERAL}@docs example', policy: git.yaml}}}}",
        f"servers: {{a: {{url: 'https://docs.example.com/mcp?apiKey={LITERAL}', policy: git.yaml}}}}",
        f"servers: {{a: {{url: 'docs.example.com?access_token={LITERAL}', policy: git.yaml}}}}",
        URL_SERVER.format("timeout: 5s") + f"\ntelemetry: {{otlp_endpoint: 'http://u:{LITERAL}@otel'}}",
    ],
)
def test_no_finding_shows_a_secret_that_stands_in_the_file(tmp_path: Path, text: str) -> None:
    found = findings(tmp_path, text)
    assert found
    for shown in (
        render_human(found, color=False),
        render_plain(found),
        repr(diagnostics_data(found)),
        repr(found),
        "\n".join(map(one_line, found)),
    ):
        assert LITERAL not in shown


def test_what_stands_beside_a_secret_is_still_shown(tmp_path: Path) -> None:
    text = URL_SERVER.format(f'headers: {{Authorization: "{LITERAL}"}}, tmeout: 5')
    (line,) = {each.line_text for each in findings(tmp_path, text)}
    assert line == text.replace(f'"{LITERAL}"', "*" * (len(LITERAL) + 2))


def test_a_place_of_a_secret_is_kept_and_not_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCS_TOKEN", LITERAL)
    found = config(tmp_path, URL_SERVER.format("headers: {Authorization: {env: DOCS_TOKEN}}"))
    assert LITERAL not in repr(found)
    assert read_secret(found.servers[0].headers["authorization"], os.environ) == LITERAL


def test_a_secret_comes_from_the_environment_or_a_file_with_its_prefix(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for content, wanted in ((b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n", "abc"), (b" abc ", " abc ")):
        file.write_bytes(content)
        assert read_secret(Secret(file=str(file), prefix="Bearer ")) == f"Bearer {wanted}"
    assert read_secret(Secret(env="X", prefix="p"), {"X": "abc"}) == "pabc"
    assert read_secret("plain") == "plain"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\nhunter2", "line break"),
        (b"hunter2\x00", "control character"),
        (b"\xffhunter2", "not UTF-8"),
        (b"hunter2" * MAX_BYTES, "larger than"),
    ],
)
def test_a_secret_that_cannot_be_one_is_an_error_that_does_not_show_it(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SecretError) as error:
        read_secret(Secret(file=str(file)))
    assert (error.value.code, error.value.exit_status) == ("CFG050", 3)
    assert words in error.value.message
    assert "hunter2" not in f"{error.value.message} {error.value.help}"


def test_a_variable_that_is_not_set_is_an_error_and_not_an_empty_secret() -> None:
    for environ in ({}, {"X": ""}):
        with pytest.raises(SecretError):
            read_secret(Secret(env="X"), environ)
