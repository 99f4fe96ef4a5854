"""The ready profile: a copy of what is installed beside the runner, whole, and made without any network."""

from pathlib import Path

import pytest
from package_stores import Shop, python

from callgate.runner.packages import profile as profiles
from callgate.runner.packages.cache import Installed
from callgate.runner.packages.store import PackageStore


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile without the two packages that take seconds to copy."""
    monkeypatch.setattr(profiles, "PROFILES", {"data": ("httpx",)})


def provided(shop: Shop) -> Installed | None:
    async def work(store: PackageStore) -> Installed | None:
        first, second = await store.profile(), await store.profile()
        assert first == second
        return first

    return shop.run(work, environ={})


@pytest.mark.usefixtures("small")
def test_the_copy_is_complete_and_has_bytecode(shop: Shop) -> None:
    found = provided(shop)
    assert found is not None
    site = Path(found.path)
    code = "import httpx, httpcore; print(httpx.__file__, httpx.__cached__, httpx.Client)"
    # Without the environment's own folders, all that is needed must be in the copy.
    file, cached, _ = python(
        site, f"sys.path[:] = [p for p in sys.path if '-packages' not in p]; {code}"
    ).split(" ", 2)
    assert file == f"{site}/httpx/__init__.py"
    assert Path(cached).exists()


@pytest.mark.usefixtures("small")
def test_nothing_else_of_the_environment_is_copied(shop: Shop) -> None:
    found = provided(shop)
    assert found is not None
    names = {entry.name for entry in Path(found.path).iterdir()}
    assert "httpx" in names
    assert not names & {"pytest", "mypy", "callgate", "bin"}
    assert not [name for name in names if name.endswith(".pth")]


def test_the_data_profile_has_numpy_pandas_and_httpx_with_their_needs() -> None:
    found = profiles.profile_of("data")
    assert found is not None
    assert {"numpy", "pandas", "httpx", "httpcore", "certifi", "python-dateutil"} <= {
        pin.split("==")[0] for pin in found.pins
    }


def test_without_the_extra_there_is_no_profile(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "PROFILES", {"data": ("surely-not-installed",)})
    assert provided(shop) is None
