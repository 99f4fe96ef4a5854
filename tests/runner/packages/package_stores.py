"""Stores of packages over a folder of the test, and what is asked of their contents."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from callgate.clock import Clock
from callgate.config.runner_model import PackagesConfig
from callgate.errors import PackagesError
from callgate.runner.packages.store import PackageStore

T = TypeVar("T")

ENVIRON = {"PATH": "/usr/bin:/bin", "UV_HTTP_RETRIES": "0"}


class Shop:
    """A folder of wheels to choose from (`wheels`), and a cache."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        self.cache = root / "cache"
        self.wheels.mkdir()

    def config(self, **settings: Any) -> PackagesConfig:
        return PackagesConfig(**{"cache": str(self.cache), "index": str(self.wheels), **settings})

    def run(
        self,
        work: Callable[[PackageStore], Coroutine[Any, Any, T]],
        *,
        clock: Clock | None = None,
        environ: Mapping[str, str] = ENVIRON,
        **settings: Any,
    ) -> T:
        """Do something with a store, and close that."""

        async def main() -> T:
            store = PackageStore(self.config(**settings), environ=environ, clock=clock)
            try:
                return await work(store)
            finally:
                store.close()

        return asyncio.run(main())

    def provide(self, *imports: str, **settings: Any) -> Path:
        """The folder with these packages; no longer in use."""

        async def work(store: PackageStore) -> Path:
            return Path((await store.provide(imports)).path)

        return self.run(work, **settings)

    def refused(self, *imports: str, **settings: Any) -> PackagesError:
        with pytest.raises(PackagesError) as refused:
            self.provide(*imports, **settings)
        return refused.value

    def sets(self) -> list[Path]:
        return sorted((self.cache / "sets").iterdir())

    def leftovers(self) -> list[Path]:
        return [*(self.cache / "staging").iterdir(), *(self.cache / "locks").iterdir()]


def python(site: Path, code: str) -> str:
    """What Python prints that has `site` behind its own folders, as a script's interpreter has it."""
    start = f"import sys; sys.path.append({str(site)!r}); "
    done = subprocess.run(
        [sys.executable, "-I", "-c", start + code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
