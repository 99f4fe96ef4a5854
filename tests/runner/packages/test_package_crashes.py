"""Ended in the middle, or wanted by several processes at once: a set is whole or absent, and made once."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from made_wheels import served, wheel
from package_stores import ENVIRON, Shop, python

from callgate.runner.packages.store import PackageStore

PROVIDE = """
import asyncio, sys
from callgate.config.runner_model import PackagesConfig
from callgate.runner.packages.store import PackageStore

async def main():
    store = PackageStore(PackagesConfig(cache=sys.argv[1], index=sys.argv[2]), environ={"UV_HTTP_RETRIES": "0"})
    print((await store.provide(["wanted"])).path)
    store.close()

asyncio.run(main())
"""


def provider(shop: Shop, index: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROVIDE, str(shop.cache), index], stdout=subprocess.PIPE, text=True
    )


def children_with(word: str) -> list[str]:
    """The command lines of processes that name `word`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            except OSError:
                continue
            if word in line:
                found.append(line)
    return found


def test_two_processes_install_the_same_set_once(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    with served(shop.wheels) as index:
        both = [provider(shop, index.url) for _ in range(2)]
        paths = {process.communicate(timeout=60)[0] for process in both}
        assert [process.returncode for process in both] == [0, 0]
        assert len(paths) == 1
        assert len(index.downloads()) <= 2


@pytest.mark.parametrize("at", [1, 2])
def test_killed_in_the_middle_nothing_half_is_left_and_the_next_one_succeeds(shop: Shop, at: int) -> None:
    wheel(shop.wheels, "wanted")
    reached, over = threading.Event(), threading.Event()
    with served(shop.wheels) as index:

        def hold(path: str) -> None:
            if path.endswith(".whl") and len(index.downloads()) == at:
                reached.set()
                over.wait(60)

        index.before = hold
        process = provider(shop, index.url)
        try:
            assert reached.wait(60)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
            assert shop.sets() == []
        finally:
            index.before = lambda _: None
            over.set()
        site = shop.provide("wanted", index=index.url)
    assert python(site, "import wanted; print(wanted.VERSION)") == "1.0"
    assert shop.leftovers() == []


def test_cancelled_in_the_middle_the_installer_is_dead_and_nothing_is_left(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    over = threading.Event()

    async def main(url: str) -> None:
        loop = asyncio.get_running_loop()
        reached = asyncio.Event()

        def hold(_: str) -> None:
            loop.call_soon_threadsafe(reached.set)
            over.wait(60)

        index.before = hold
        store = PackageStore(shop.config(index=url), environ=ENVIRON)
        task = asyncio.create_task(store.provide(["wanted"]))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        store.close()

    with served(shop.wheels) as index:
        try:
            asyncio.run(main(index.url))
            assert children_with(str(shop.cache)) == []
        finally:
            over.set()
    assert (shop.sets(), shop.leftovers()) == ([], [])


def test_a_set_that_lost_its_description_is_made_again(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    site = shop.provide("wanted")
    (site.parent / "about").write_bytes(b'{"si')
    assert shop.provide("wanted") == site
    assert python(site, "import wanted; print(wanted.VERSION)") == "1.0"
