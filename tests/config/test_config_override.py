"""What the command line says instead of the file has to fit the rest of it."""

from pathlib import Path

import pytest
from config_files import HTTP_SERVER, SERVER, config

from callgate.config.checks import overridden
from callgate.config.reload import changes
from callgate.errors import ConfigError, UsageError


def refusal(folder: Path, text: str, **options: object) -> str:
    with pytest.raises(ConfigError) as error:
        overridden(config(folder, text), **options)  # type: ignore[arg-type]
    return error.value.code


def test_the_command_line_wins(tmp_path: Path) -> None:
    before = config(tmp_path, SERVER + "listen: {port: 1}\nstate: memory://")
    after = overridden(before, host="::1", port=2, tls_cert="/c", tls_key="/k", state="sqlite:x")
    assert (after.listen.host, after.listen.port, after.state) == ("::1", 2, "sqlite:x")
    assert (after.listen.tls_cert, after.listen.tls_key) == ("/c", "/k")
    assert changes(before, after) == (
        "listen.host",
        "listen.port",
        "listen.tls_cert",
        "listen.tls_key",
        "state",
    )
    assert overridden(before) == before


def test_a_listener_for_others_needs_authentication_or_the_operator_s_word(tmp_path: Path) -> None:
    assert refusal(tmp_path, SERVER, host="0.0.0.0") == "CFG040"  # noqa: S104
    for text in ("auth: {keys: keys.yaml}", "listen: {allow_unauthenticated: true}"):
        overridden(config(tmp_path, f"{SERVER}{text}"), host="10.0.0.1")


@pytest.mark.parametrize(("given", "missing"), [("tls_cert", "--tls-key"), ("tls_key", "--tls-cert")])
def test_half_of_tls_on_the_command_line_is_a_mistake_of_the_command_line(
    tmp_path: Path, given: str, missing: str
) -> None:
    with pytest.raises(UsageError, match=f"`{missing}` is missing") as error:
        overridden(config(tmp_path, SERVER), **{given: "/x"})  # type: ignore[arg-type]
    assert (error.value.code, error.value.exit_status) == ("CFG041", 2)


def test_workers_are_checked_against_servers_and_state(tmp_path: Path) -> None:
    assert refusal(tmp_path, SERVER, workers=2) == "CFG042"
    assert refusal(tmp_path, HTTP_SERVER, workers=2, state="memory://") == "CFG043"
    assert refusal(tmp_path, HTTP_SERVER + "workers: 2", state="memory://") == "CFG043"
    assert overridden(config(tmp_path, HTTP_SERVER), workers=2).workers == 2


def test_changes_are_named_by_their_keys(tmp_path: Path) -> None:
    one = config(
        tmp_path, "servers: {a: {command: [a], policy: git.yaml}, b: {command: [b], policy: git.yaml}}"
    )
    two = config(
        tmp_path,
        "servers: {a: {command: [a], policy: git.yaml}, c: {command: [b], policy: git.yaml}}\ndrain: 1s\n"
        "listen: {origins: [http://a]}",
    )
    assert changes(one, two) == ("servers.b", "servers.c", "listen.origins", "drain")
    assert changes(one, one) == ()
