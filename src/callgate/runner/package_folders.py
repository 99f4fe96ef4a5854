"""The folders of packages that an execution sees: the base profile, and what its `additional_imports` ask for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from callgate.runner.packages.cache import Installed
from callgate.runner.packages.store import PackageStore
from callgate.runner.sandbox.contract import Packages


class PackageFolders:
    """`jobs.parts.PackagesFor` over a package store."""

    def __init__(self, store: PackageStore, profile: Installed | None) -> None:
        self._store = store
        self._base = () if profile is None else (_packages(profile),)

    @property
    def base(self) -> tuple[Packages, ...]:
        """What every execution sees."""
        return self._base

    @asynccontextmanager
    async def __call__(self, imports: Sequence[str]) -> AsyncIterator[Sequence[Packages]]:
        """Raises PackagesError."""
        if not imports:
            yield self._base
            return
        async with self._store.lease(imports) as installed:
            # What was asked for goes before the profile, whose versions may be others.
            yield (_packages(installed), *self._base)


def _packages(installed: Installed) -> Packages:
    return Packages(key=installed.key, path=installed.path)
