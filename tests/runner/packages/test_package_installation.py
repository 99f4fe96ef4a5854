"""What is asked for is there, once, unchangeable, and for as long as somebody uses it."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from made_wheels import served, wheel
from package_stores import Shop, python

from callgate.clock import ManualClock
from callgate.runner.packages.cache import Installed
from callgate.runner.packages.store import PackageStore
from callgate.runner.packages.tree import measure


def test_a_package_and_what_it_needs_can_be_imported(shop: Shop) -> None:
    wheel(shop.wheels, "needed")
    wheel(shop.wheels, "wanted", requires=("needed>=1",))
    site = shop.provide("wanted")
    assert (
        python(site, "import wanted, needed; print(wanted.VERSION, needed.__file__)")
        == f"1.0 {site}/needed.py"
    )


def test_modules_come_with_valid_bytecode(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    site = shop.provide("wanted")
    assert python(site, "import wanted; print(wanted.__cached__)").startswith(f"{site}/__pycache__/")
    assert [entry.name for entry in (site / "__pycache__").iterdir()] == [
        f"wanted.{__import__('sys').implementation.cache_tag}.pyc"
    ]


def test_a_known_set_needs_neither_index_nor_installer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    made = wheel(shop.wheels, "wanted")
    first = shop.provide("wanted")
    made.unlink()
    monkeypatch.setattr("callgate.runner.packages.uv_process.find_uv", lambda: "/nowhere/uv")
    assert shop.provide("wanted") == first


def test_the_same_set_in_other_words_is_installed_once(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    wheel(shop.wheels, "other-one")
    assert shop.provide("wanted", "Other_One") == shop.provide("other.one", "wanted==1.0", "wanted")
    assert len(shop.sets()) == 1


def test_versions_move_when_the_memo_is_old(shop: Shop) -> None:
    clock = ManualClock()
    wheel(shop.wheels, "wanted", "1.0")
    old = shop.provide("wanted", clock=clock)
    wheel(shop.wheels, "wanted", "2.0")
    assert shop.provide("wanted", clock=clock) == old
    clock.advance(3601)
    assert python(shop.provide("wanted", clock=clock), "import wanted; print(wanted.VERSION)") == "2.0"


def test_an_old_memo_still_counts_while_the_index_is_down(shop: Shop) -> None:
    clock = ManualClock()
    wheel(shop.wheels, "wanted")
    with served(shop.wheels) as index:
        url = index.url
        known = shop.provide("wanted", clock=clock, index=url)
    clock.advance(3601)
    assert shop.provide("wanted", clock=clock, index=url) == known
    assert shop.refused("other", clock=clock, index=url).code == "PKG010"


def test_nobody_may_write_and_everybody_may_read_what_is_installed(shop: Shop) -> None:
    wheel(shop.wheels, "wanted", files={"wanted/__init__.py": "", "wanted/deep/data.txt": "x"})
    site = shop.provide("wanted")
    for entry in (site, *site.rglob("*")):
        expected = 0o555 if entry.is_dir() else 0o444
        assert stat.S_IMODE(entry.stat().st_mode) == expected, entry


def test_the_cache_itself_is_for_the_runner_alone(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    shop.provide("wanted")
    assert stat.S_IMODE(shop.cache.stat().st_mode) == 0o700


def test_a_cache_that_others_can_write_is_refused(shop: Shop) -> None:
    shop.cache.mkdir()
    shop.cache.chmod(0o777)
    assert shop.refused("wanted").code == "PKG016"


def test_the_store_knows_what_a_set_makes_importable(shop: Shop) -> None:
    wheel(
        shop.wheels, "wanted", files={"one.py": "", "two/__init__.py": "", "wanted-1.0.data/scripts/run": "x"}
    )

    async def work(store: PackageStore) -> frozenset[str]:
        return store.modules(await store.provide(["wanted"]))

    assert {"one", "two"} <= shop.run(work)


def test_the_set_used_longest_ago_goes_first(shop: Shop) -> None:
    for number in (1, 2, 3):
        wheel(shop.wheels, f"p{number}", files={f"p{number}.py": "#" * 100_000})
    first, second = shop.provide("p1"), shop.provide("p2")
    os.utime(shop.cache / "leases" / first.parent.name, (2_000_000_000, 2_000_000_000))
    room = measure(str(first)).size * 5 // 2
    third = shop.provide("p3", max_cache=room)
    assert (first.exists(), second.exists(), third.exists()) == (True, False, True)


def test_a_set_in_use_is_never_removed(shop: Shop) -> None:
    wheel(shop.wheels, "used")
    wheel(shop.wheels, "idle")

    async def work(store: PackageStore) -> tuple[bool, bool, bool]:
        used, twice = await store.provide(["used"]), await store.provide(["used"])
        idle = await store.provide(["idle"])
        store.release(idle)
        store.release(twice)
        # Another process, as it were: leases are its only knowledge of this one.
        other = PackageStore(shop.config(max_cache=0), environ={})
        await other.sweep()
        still, gone = Path(used.path).exists(), not Path(idle.path).exists()
        store.release(used)
        await other.sweep()
        return still, gone, not Path(used.path).exists()

    assert shop.run(work) == (True, True, True)


def test_a_lease_ends_with_its_block(shop: Shop) -> None:
    wheel(shop.wheels, "used")

    async def work(store: PackageStore) -> Installed:
        async with store.lease(["used"]) as installed:
            return installed

    installed = shop.run(work)
    shop.run(lambda store: store.sweep(), max_cache=0)
    assert not Path(installed.path).exists()


def test_a_set_that_was_removed_is_installed_again(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    site = shop.provide("wanted")
    shop.run(lambda store: store.sweep(), max_cache=0)
    assert not site.exists()
    assert shop.provide("wanted") == site
    assert (site / "wanted.py").exists()


def test_many_who_want_the_same_at_once_install_it_once(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")

    async def work(store: PackageStore) -> set[str]:
        return {found.path for found in await asyncio.gather(*(store.provide(["wanted"]) for _ in range(8)))}

    with served(shop.wheels) as index:
        assert len(shop.run(work, index=index.url)) == 1
        # Once to learn what it needs, once to install it.
        assert len(index.downloads()) <= 2


def test_nothing_is_left_of_the_work(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    shop.provide("wanted")
    assert shop.leftovers() == []


def test_the_index_that_this_machine_is_configured_with_is_used(shop: Shop) -> None:
    site = shop.provide("six", index=None, environ=dict(os.environ))
    assert python(site, "import six; print(six.moves.range(1))") == "range(0, 1)"
