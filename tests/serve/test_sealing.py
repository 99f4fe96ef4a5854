"""Session and task ids are good for one caller and one server, and nobody else can make or change one."""

from hypothesis import given
from hypothesis import strategies as st

from callgate.serve.sealing import Seal, SealedSession

SESSION = SealedSession("http-1", "upstream-session", 1_700_000_000)


def seal(secret: bytes = b"s" * 32) -> Seal:
    return Seal(secret)


def test_a_sealed_session_opens_for_its_caller_and_server() -> None:
    token = seal().session(SESSION, "git", "alice")
    assert seal().open_session(token, "git", "alice") == SESSION


def test_a_gate_with_another_secret_cannot_open_it() -> None:
    token = seal().session(SESSION, "git", "alice")
    assert seal(b"t" * 32).open_session(token, "git", "alice") is None


def test_another_caller_and_another_server_cannot_use_it() -> None:
    token = seal().session(SESSION, "git", "alice")
    assert seal().open_session(token, "git", "bob") is None
    assert seal().open_session(token, "docs", "alice") is None
    # The two are bound apart: moving a character from one to the other is not the same.
    assert seal().open_session(seal().session(SESSION, "a", "bc"), "ab", "c") is None


def test_a_token_has_one_spelling_of_visible_characters_and_shows_nothing_of_the_session() -> None:
    token = seal().session(SESSION, "git", "alice")
    assert all(0x21 <= ord(character) <= 0x7E for character in token)
    assert "upstream" not in token
    for other in (token + "=", token + "\n", " " + token, token[:-1], token + "A", ""):
        assert seal().open_session(other, "git", "alice") is None


@given(position=st.integers(0, 200), value=st.characters())
def test_no_changed_character_leaves_a_token_good(position: int, value: str) -> None:
    token = seal().session(SESSION, "git", "alice")
    position %= len(token)
    changed = token[:position] + value + token[position + 1 :]
    if changed != token:
        assert seal().open_session(changed, "git", "alice") is None


@given(st.text(max_size=300))
def test_any_text_is_opened_without_an_error(text: str) -> None:
    assert seal().open_session(text, "git", "alice") is None
    assert seal().open_task(text, "git", "alice") is None


@given(task=st.text(min_size=1, max_size=50), tool=st.text(min_size=1, max_size=50))
def test_a_task_id_opens_to_the_servers_own_and_the_tool(task: str, tool: str) -> None:
    sealed = seal().task(task, "git", "alice", tool)
    assert seal().open_task(sealed, "git", "alice") == (task, tool)
    assert seal().open_task(sealed, "git", "bob") is None
    assert seal().open_task(sealed, "docs", "alice") is None
    assert seal().open_task(task, "git", "alice") is None


def test_the_same_task_has_the_same_id_every_time() -> None:
    assert seal().task("t", "git", "alice", "run") == seal().task("t", "git", "alice", "run")
