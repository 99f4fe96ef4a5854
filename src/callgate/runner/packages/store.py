"""`additional_imports` → a read-only folder of packages. The one entrance to this part.

Nothing of a package is executed here, and none is built: wheels only, every file held against a hash.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Literal, ParamSpec

from callgate.clock import Clock, SystemClock
from callgate.config.runner_model import PackagesConfig
from callgate.errors import PackagesError
from callgate.runner.packages.cache import About, Cache, Installed
from callgate.runner.packages.installer import Installer
from callgate.runner.packages.lock import Lock, read_lock
from callgate.runner.packages.locks import drop, try_lock
from callgate.runner.packages.memo import Memo, Memory, name_of
from callgate.runner.packages.platform_of import platform_of
from callgate.runner.packages.profile import copy_profile, profile_of
from callgate.runner.packages.requirement import Asked, matches, read
from callgate.text import quote

_TURN = 0.05
P = ParamSpec("P")


def default_cache(environ: Mapping[str, str]) -> str:
    """The user's cache directory for packages (XDG Base Directory). Not created here."""
    home = environ.get("XDG_CACHE_HOME", "")
    if not home.startswith("/"):
        home = f"{environ.get('HOME') or '/var'}/.cache"
    return f"{home}/callgate/packages"


class PackageStore:
    """Provides sets of packages, each installed once on this machine. For one event loop.

    `python` is the interpreter of the sandbox (None: this one). A set that was provided stays until it is released as
    often as it was provided, or the store is closed, or this process ends. `memo_seconds` is how long a request means
    the same versions; with the index down, it means them for as long as they are known.
    """

    def __init__(
        self,
        config: PackagesConfig,
        *,
        python: str | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        memo_seconds: float = 3600.0,
    ) -> None:
        self._config = config
        self._python = python
        self._environ = os.environ if environ is None else environ
        self._clock = clock or SystemClock()
        self._memo_seconds = memo_seconds
        self._cache = Cache(config.cache or default_cache(self._environ), max_bytes=config.max_cache)
        self._memo = Memo(self._cache.path("memo"))
        self._leases: dict[str, tuple[int, int]] = {}
        self._about: dict[str, About] = {}
        self._opening = asyncio.Lock()
        self._platform: str | None = None
        self._installer: Installer | None = None

    async def provide(self, imports: Sequence[str]) -> Installed:
        """The folder with these packages and all they need, in use until `release`.

        Raises PackagesError, its message fit for the agent.
        """
        if not self._config.enabled:
            raise PackagesError(
                "PKG014",
                "`additional_imports` is switched off here",
                "use the standard library and what is there",
            )
        asked = read(imports, most=self._config.max_packages)
        if not asked:
            raise PackagesError(
                "PKG001", "no package is named", "name one, or leave `additional_imports` out"
            )
        self._check_asked(asked)
        try:
            return await self._provide(asked)
        except OSError as error:
            raise Cache.broken(error) from error

    async def profile(self, name: Literal["data"] = "data") -> Installed | None:
        """The ready folder of a profile, made from what is installed beside the runner; None if that is not.

        Needs no network. None too where the sandbox has another interpreter than the runner.
        """
        platform = await self._opened()
        if platform != await asyncio.to_thread(platform_of, None):
            return None
        found = await asyncio.to_thread(profile_of, name)
        if found is None:
            return None
        key = found.key(platform)
        try:
            leased = self._take(key)
            if leased is None:
                async with self._alone(key):
                    leased = self._take(key)
                    if leased is None:
                        async with self._staging() as staging:
                            await _to_its_end(copy_profile, found, f"{staging}/site", sys.executable)
                            await _to_its_end(self._cache.publish, key, staging, found.pins)
                        leased = self._take(key)
        except OSError as error:
            raise Cache.broken(error) from error
        return leased

    @contextlib.asynccontextmanager
    async def lease(self, imports: Sequence[str]) -> AsyncIterator[Installed]:
        """`provide`, and `release` at the end."""
        installed = await self.provide(imports)
        try:
            yield installed
        finally:
            self.release(installed)

    def release(self, installed: Installed) -> None:
        """Say that one use has ended. Releasing what is not in use does nothing."""
        held = self._leases.get(installed.key)
        if held is None:
            return
        descriptor, count = held
        if count > 1:
            self._leases[installed.key] = (descriptor, count - 1)
            return
        del self._leases[installed.key]
        self._about.pop(installed.key, None)
        os.close(descriptor)

    def modules(self, installed: Installed) -> frozenset[str]:
        """The names at the top of a set in use that a script can import."""
        return frozenset(self._about[installed.key].modules)

    async def sweep(self) -> None:
        """Bring the cache below its bound and remove the remains of dead processes. Done after each installation."""
        await self._opened()
        await asyncio.to_thread(self._cache.sweep)

    def close(self) -> None:
        """Release everything. Idempotent."""
        while self._leases:
            _, (descriptor, _) = self._leases.popitem()
            os.close(descriptor)
        self._about.clear()

    async def _provide(self, asked: tuple[Asked, ...]) -> Installed:
        platform = await self._opened()
        name = name_of(asked, platform, self._config.index)
        known = await asyncio.to_thread(self._memo.read, name)
        lock: Lock | None = None
        if known is not None:
            lock = read_lock(known.lock)
            if self._fresh(known) and (leased := self._use(lock, platform)):
                return leased
        async with self._alone(name):
            again = await asyncio.to_thread(self._memo.read, name)
            if again is not None and self._fresh(again):
                lock = read_lock(again.lock)
            else:
                lock = await self._resolve(asked, platform, known=lock)
                made = Memory(lock=lock.text, made_ns=self._clock.wall_ns())
                await asyncio.to_thread(self._memo.write, name, made)
        return self._use(lock, platform) or await self._install(lock, platform)

    async def _resolve(self, asked: tuple[Asked, ...], platform: str, *, known: Lock | None) -> Lock:
        installer = await self._uv()
        try:
            async with self._staging() as staging:
                return await installer.resolve(asked, staging)
        except PackagesError as error:
            if error.code not in ("PKG010", "PKG011") or known is None:
                raise
            leased = self._take(known.key(platform))
            if leased is None:
                raise
            self.release(leased)
            return known

    async def _install(self, lock: Lock, platform: str) -> Installed:
        key = lock.key(platform)
        async with self._alone(key):
            leased = self._take(key)
            if leased is None:
                installer = await self._uv()
                async with self._staging() as staging:
                    await installer.install(lock, staging)
                    await _to_its_end(self._cache.publish, key, staging, lock.pins)
                leased = self._take(key)
        if leased is None:
            raise PackagesError("PKG016", "packages cannot be kept: the cache is being emptied", "try again")
        await asyncio.to_thread(self._cache.sweep)
        return leased

    def _use(self, lock: Lock, platform: str) -> Installed | None:
        self._check_closure(lock)
        return self._take(lock.key(platform))

    def _take(self, key: str) -> Installed | None:
        if key in self._leases:
            descriptor, count = self._leases[key]
            self._leases[key] = (descriptor, count + 1)
            return Installed(key, self._cache.path("sets", key, "site"))
        found = self._cache.lease(key)
        if found is None:
            return None
        descriptor, self._about[key] = found
        self._leases[key] = (descriptor, 1)
        return Installed(key, self._cache.path("sets", key, "site"))

    def _fresh(self, memory: Memory) -> bool:
        age = self._clock.wall_ns() - memory.made_ns
        return 0 <= age < self._memo_seconds * 1e9

    def _check_asked(self, asked: tuple[Asked, ...]) -> None:
        for one in asked:
            allowed = not self._config.allow or matches(one.name, self._config.allow)
            if not allowed or matches(one.name, self._config.deny):
                raise PackagesError(
                    "PKG004", f"the operator does not allow the package {quote(one.name)}", "do without it"
                )

    def _check_closure(self, lock: Lock) -> None:
        if len(lock.names) > self._config.max_packages:
            raise PackagesError(
                "PKG005",
                f"with all they need, these are {len(lock.names)} packages, and at most "
                f"{self._config.max_packages} may be",
                "ask for fewer",
            )
        for name in lock.names:
            if matches(name, self._config.deny):
                raise PackagesError(
                    "PKG004",
                    f"one of the packages needs {quote(name)}, which the operator does not allow",
                    "do without it",
                )

    async def _opened(self) -> str:
        async with self._opening:
            if self._platform is None:
                await asyncio.to_thread(self._cache.open)
                self._platform = await asyncio.to_thread(platform_of, self._python)
            return self._platform

    async def _uv(self) -> Installer:
        async with self._opening:
            if self._installer is None:
                self._installer = await asyncio.to_thread(self._make_installer)
            return self._installer

    def _make_installer(self) -> Installer:
        return Installer(
            self._cache.path("staging"),
            python=self._python,
            index=self._config.index,
            environ=self._environ,
            max_set=self._config.max_set,
            timeout=self._config.timeout,
        )

    @contextlib.asynccontextmanager
    async def _staging(self) -> AsyncIterator[str]:
        folder, descriptor = self._cache.stage()
        try:
            yield folder
        finally:
            await _to_its_end(self._cache.unstage, folder, descriptor)

    @contextlib.asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        """Only one process at a time works on `name`; the others wait for it, and then find its work."""
        path = self._cache.path("locks", name)
        while (descriptor := try_lock(path)) is None:
            await asyncio.sleep(_TURN)
        try:
            yield
        finally:
            drop(path, descriptor)


async def _to_its_end(function: Callable[P, object], *arguments: P.args, **named: P.kwargs) -> None:
    """Run a blocking function in a thread and wait for it, cancelled or not: nobody may clear away under it."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
