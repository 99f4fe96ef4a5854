"""A journal's URL is read strictly, and no password in it is ever shown."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from callgate.errors import JournalError
from callgate.runner.journal.open import open_journal
from callgate.runner.journal.url import PostgresAddress, SqliteAddress, read_url


@pytest.mark.parametrize(
    ("url", "path", "sync"),
    [
        ("sqlite:/a/b.db", "/a/b.db", None),
        ("sqlite:///a/b.db", "/a/b.db", None),
        ("sqlite:a.db", "a.db", None),
        ("sqlite:/a%20b%25.db?sync=normal", "/a b%.db", "normal"),
        ("sqlite:/a?sync=full", "/a", "full"),
    ],
)
def test_files_are_named_as_written(url: str, path: str, sync: str | None) -> None:
    address = read_url(url)
    assert isinstance(address, SqliteAddress)
    assert (address.path, address.sync) == (path, sync)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "x",
            "/a/b.db",
            "sqlite",
            "sqlite:",
            "sqlite:/a/",
            "sqlite://a/b.db",
            "sqlite:/a?x=1",
            "sqlite:/%zz",
        ),
        *(
            "sqlite:/%00",
            "sqlite:/%ff",
            "mysql://u:S3CRET@h/d",
            "POSTGRESQL://u:S3CRET@h/d",
            "redis://:S3CRET@h",
        ),
        *("postgresql://u:S3CRET/x@h/d", "postgresql://u:S3C#RET@h/d", "postgresql://u:S3CRET@x@h/d"),
        *("postgresql://h/d?password=S3CRET&password=S3CRET", "postgresql://h/a/b?password=S3CRET"),
        *("postgresql://u:S3CRET@[h/d", "postgresql://h/d?password", "postgresql://h/d?S3CRET%20=1"),
    ],
)
def test_what_is_not_understood_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(JournalError) as caught:
        read_url(url)
    assert caught.value.code == "JRN001"
    assert "S3C" not in f"{caught.value.message} {caught.value.help}"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("odd", ["nosuchoption=1", "port=abc", "sslmode=bogus", "host=%zz"])
def test_options_that_libpq_does_not_know_are_refused_without_secrets(odd: str, tmp_path: Path) -> None:
    url = f"postgresql://u:S3CRET@127.0.0.1:1/d?{odd}"

    async def scenario() -> None:
        await open_journal(url, state_dir=str(tmp_path)).open()

    with pytest.raises(JournalError) as caught:
        asyncio.run(scenario())
    assert caught.value.code in ("JRN001", "JRN015")
    assert "S3CRET" not in f"{caught.value.message} {caught.value.help}"


def test_an_address_does_not_print_its_password() -> None:
    address = read_url("postgresql://u:S3CRET@h:5433/d?sslmode=verify-full&sslpassword=S3CRET")
    assert isinstance(address, PostgresAddress)
    assert "S3CRET" not in f"{address} {address!r} {[address]}"
    assert address.shown == "postgresql://h:5433/d"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://owner@/d?host=%2Ftmp%2Fpg", "postgresql:///d?host=/tmp/pg"),
        ("postgresql://owner:S3CRET@/d?port=5433&host=/run/a@b", "postgresql:///d?host=/run/a%40b"),
        ("postgresql:///d?host=%2Ftmp%0A`&password=S3CRET", "postgresql:///d?host=/tmp%0A%60"),
        ("postgresql://owner@/d?host=db", "postgresql:///d"),
    ],
)
def test_a_socket_is_named_by_its_directory(url: str, shown: str) -> None:
    address = read_url(url)
    assert isinstance(address, PostgresAddress)
    assert (address.url, address.shown) == (url, shown)


def test_a_socket_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://owner:S3CRET@/d?host={tmp_path}/p@g"
    with pytest.raises(JournalError) as caught:
        asyncio.run(open_journal(url, state_dir=str(tmp_path)).open())
    assert caught.value.code == "JRN015"
    assert f"`postgresql:///d?host={tmp_path}/p%40g`" in caught.value.message
    assert "S3CRET" not in caught.value.message


def test_a_missing_client_is_named_with_its_extra(tmp_path: Path) -> None:
    """In a Python that cannot find psycopg."""
    program = (
        "import sys\n"
        "sys.modules['psycopg'] = None\n"
        "from callgate.runner.journal.open import open_journal\n"
        "from callgate.errors import JournalError\n"
        "open_journal(None, state_dir='/nowhere')\n"
        "try:\n    open_journal('postgresql://h/d', state_dir='/nowhere')\n"
        "except JournalError as error:\n    print(error.code, error.help)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stdout.decode() == "JRN002 install `callgate[postgres]`\n"
