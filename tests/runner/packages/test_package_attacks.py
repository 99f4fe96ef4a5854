"""Hostile packages and indexes: no code of theirs runs, nothing lands elsewhere, and nothing is without a bound."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from made_wheels import sdist, served, wheel
from package_stores import ENVIRON, Shop, python

from callgate.errors import PackagesError
from callgate.runner.packages.index_settings import index_settings
from callgate.runner.packages.lock import read_lock
from callgate.runner.packages.uv_process import confinement, run

WRITE = "import pathlib; pathlib.Path({!r}).write_text('ran')"


def test_an_sdist_never_runs_its_setup(shop: Shop, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    sdist(shop.wheels, "wanted", "1.0", setup=WRITE.format(str(mark)))
    assert shop.refused("wanted").code == "PKG007"
    assert not mark.exists()


def test_an_sdist_that_is_newer_than_the_wheel_is_left_aside(shop: Shop, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    wheel(shop.wheels, "wanted", "1.0")
    sdist(shop.wheels, "wanted", "2.0", setup=WRITE.format(str(mark)))
    assert python(shop.provide("wanted"), "import wanted; print(wanted.VERSION)") == "1.0"
    assert not mark.exists()


def test_start_up_files_of_a_package_run_neither_at_install_nor_at_start(shop: Shop, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = WRITE.format(str(mark)) + "\n"
    names = (
        "evil.pth",
        "sitecustomize.py",
        "usercustomize.py",
        "compileall.py",
        "wanted-1.0.data/scripts/run",
    )
    wheel(shop.wheels, "wanted", files={**dict.fromkeys(names, code), "wanted.py": "fine = 1\n"})
    site = shop.provide("wanted")
    assert python(site, "import wanted; print(wanted.fine)") == "1"
    assert not mark.exists()


@pytest.mark.parametrize(
    "path", ["../../escaped.py", "/escaped.py", "wanted/../../../escaped.py", "..\\escaped.py"]
)
def test_no_file_lands_outside_the_set(shop: Shop, path: str) -> None:
    wheel(shop.wheels, "wanted", files={path: "x = 1\n", "wanted.py": ""})
    try:
        shop.provide("wanted")
    except PackagesError as refused:
        assert refused.code in ("PKG013", "PKG017")  # noqa: PT017
    found = [entry for entry in shop.root.rglob("*escaped.py*") if "site" not in entry.parts]
    assert found == []
    assert not os.path.exists("/escaped.py")


def test_a_wheel_that_unpacks_to_too_much_is_ended_and_removed(shop: Shop) -> None:
    wheel(shop.wheels, "wanted", files={"zeros.bin": b"\0" * (30 << 20)})
    assert shop.refused("wanted", max_set=2 << 20).code == "PKG009"
    assert (shop.sets(), shop.leftovers()) == ([], [])


def test_many_files_that_are_too_much_together_are_refused(shop: Shop) -> None:
    wheel(shop.wheels, "wanted", files={f"part{number}.bin": b"\0" * (1 << 20) for number in range(5)})
    assert shop.refused("wanted", max_set=3 << 20).code == "PKG009"
    assert shop.sets() == []


def test_a_file_that_is_not_the_announced_one_is_refused(shop: Shop) -> None:
    made = wheel(shop.wheels, "wanted")
    with served(shop.wheels) as index:
        index.announced[made.name] = "0" * 64
        assert shop.refused("wanted", index=index.url).code == "PKG015"
    assert shop.sets() == []


def test_a_package_cannot_bring_one_from_an_address(shop: Shop) -> None:
    evil = wheel(shop.root, "evil")
    wheel(shop.wheels, "wanted", requires=(f"evil @ file://{evil}",))
    assert shop.refused("wanted").code in ("PKG008", "PKG013")


def test_an_index_that_does_not_answer_is_given_up(shop: Shop) -> None:
    with served(shop.wheels) as index:
        url = index.url
    refused = shop.refused("wanted", index=url)
    assert refused.code == "PKG010"
    assert "127.0.0.1" not in refused.message + (refused.help or "")


def test_an_index_that_never_ends_its_answer_is_given_up(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    over = threading.Event()
    with served(shop.wheels) as index:
        index.before = lambda _: over.wait(30)
        try:
            assert shop.refused("wanted", index=index.url, timeout=1.0).code == "PKG011"
        finally:
            over.set()
    assert shop.leftovers() == []


def test_a_lock_holds_nothing_but_versions_and_hashes() -> None:
    good = "wanted==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    assert read_lock(good).pins == ("wanted==1.0",)
    for bad in (
        "wanted==1.0\n",
        "wanted @ http://x/w.whl --hash=sha256:" + "0" * 64,
        "--index-url http://x\n" + good,
    ):
        with pytest.raises(PackagesError):
            read_lock(bad)


def test_the_installer_can_write_only_where_it_works(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    words = confinement(str(inside))
    if not words:
        pytest.skip("bubblewrap does not work here")

    async def main(target: Path) -> int:
        command = ["/bin/sh", "-c", 'echo x > "$1"', "sh", str(target)]
        done = await run(
            command,
            folder=str(inside),
            environ={},
            stdin="",
            timeout=20,
            largest_file=1 << 20,
            confined=words,
        )
        return done.status

    assert asyncio.run(main(outside)) != 0
    assert not outside.exists()
    assert asyncio.run(main(inside / "file")) == 0
    assert (inside / "file").exists()


def test_of_the_environment_the_installer_sees_the_index_and_nothing_else() -> None:
    environ = {
        **ENVIRON,
        "UV_DEFAULT_INDEX": "https://user:word@index.example/simple",
        "UV_INDEX_MINE_PASSWORD": "word",
        "SSL_CERT_FILE": "/certs",
        "AWS_SECRET_ACCESS_KEY": "no",
        "UV_PUBLISH_TOKEN": "no",
        "PYTHONPATH": "/no",
        "LD_PRELOAD": "/no.so",
        "HOME": "/nowhere",
    }
    passed = index_settings(None, environ)
    assert set(passed.environ) == {
        "UV_DEFAULT_INDEX",
        "UV_INDEX_MINE_PASSWORD",
        "SSL_CERT_FILE",
        "UV_HTTP_RETRIES",
    }
    assert "word" not in repr(passed)


def test_an_index_of_the_configuration_replaces_those_of_the_host() -> None:
    environ = {
        "UV_INDEX": "https://other.example",
        "UV_FIND_LINKS": "/x",
        "PIP_INDEX_URL": "https://third.example",
    }
    found = index_settings("https://mine.example/simple", environ)
    assert found.environ == {"UV_DEFAULT_INDEX": "https://mine.example/simple"}
    assert not any("mine.example" in flag for flag in found.flags)


def test_settings_of_pip_count_where_uv_has_none(tmp_path: Path) -> None:
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://a.example/\nfind-links = /w\n"
    )
    found = index_settings(
        None, {"HOME": str(tmp_path), "PIP_EXTRA_INDEX_URL": "https://b.example/ https://c.example/"}
    )
    assert found.environ == {
        "UV_DEFAULT_INDEX": "https://a.example/",
        "UV_INDEX": "https://b.example/ https://c.example/",
        "UV_FIND_LINKS": "/w",
    }
