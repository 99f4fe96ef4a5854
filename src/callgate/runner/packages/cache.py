"""The folder of installed sets: complete or absent, never changed, and never removed while somebody uses one.

    CACHE/sets/KEY/site      the packages, read-only
    CACHE/sets/KEY/about     what they are (`About`)
    CACHE/leases/KEY         locked (shared) by whoever uses the set; its time is that of the last use
    CACHE/memo/HASH          what a request was resolved to
    CACHE/locks/KEY          locked while the set is being made
    CACHE/staging/NAME/      what is being made, with a lock; remains of the dead are swept

Processes share it. Blocking: `lease` and `stage` for microseconds, the others belong in a thread.
"""

import contextlib
import os
import secrets
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from callgate.errors import PackagesError
from callgate.runner.packages.locks import drop, try_lock
from callgate.runner.packages.tree import measure, remove, seal

_PARTS = ("sets", "leases", "memo", "locks", "staging")


class Installed(Struct, frozen=True):
    """A read-only folder of installed packages, and the key under which it is cached."""

    key: str
    path: str


class About(Struct, frozen=True, kw_only=True):
    """What a set holds: `pins` are `name==version`, `modules` what can be imported. Size in bytes."""

    size: int
    entries: int
    pins: tuple[str, ...]
    modules: tuple[str, ...]


class Cache:
    """One process's view of the cache. Raises PackagesError (PKG016) where the disk fails it."""

    def __init__(self, folder: str, *, max_bytes: int) -> None:
        self.folder = os.path.realpath(folder)
        self._max_bytes = max_bytes

    def open(self) -> None:
        """Make the folders; refuse a cache that others could write into."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            state = os.stat(self.folder)
            if state.st_uid != os.geteuid() or state.st_mode & 0o022:
                raise PackagesError(
                    "PKG016",
                    "packages cannot be kept: the cache belongs to, or may be written by, another user",
                    "the operator gives `packages.cache` a folder of the runner's own, mode 0700",
                )
            for part in _PARTS:
                os.makedirs(os.path.join(self.folder, part), mode=0o700, exist_ok=True)
        except OSError as error:
            raise self.broken(error) from error

    @staticmethod
    def broken(error: OSError) -> PackagesError:
        """The agent learns no path of the host."""
        return PackagesError(
            "PKG016",
            f"packages cannot be kept: {error.strerror or 'the cache cannot be used'}",
            "the operator makes room for, or repairs, `packages.cache`",
        )

    def path(self, *parts: str) -> str:
        return os.path.join(self.folder, *parts)

    def lease(self, key: str) -> tuple[int, About] | None:
        """Take a set into use until the descriptor is closed; None if it is not there."""
        descriptor = try_lock(self.path("leases", key), shared=True)
        if descriptor is None:  # being removed at this moment
            return None
        try:
            with open(self.path("sets", key, "about"), "rb") as file:
                about = msgspec.json.decode(file.read(), type=About)
            os.utime(descriptor)
        except (FileNotFoundError, msgspec.DecodeError):
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, about

    def stage(self) -> tuple[str, int]:
        """A new folder to work in, and the descriptor that says its maker lives."""
        while True:
            folder = self.path("staging", secrets.token_hex(8))
            os.mkdir(folder, 0o700)
            # A sweeper may have come between the two: then there is no folder, or no lock to be had.
            with contextlib.suppress(FileNotFoundError):
                descriptor = try_lock(f"{folder}/lock")
                if descriptor is not None:
                    return folder, descriptor

    def unstage(self, folder: str, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            remove(folder)
        os.close(descriptor)

    def publish(self, key: str, staged: str, pins: Sequence[str]) -> None:
        """Seal `staged`/site and give it its name in one step. It must be on the same file system."""
        site = os.path.join(staged, "site")
        found = measure(site)
        about = About(size=found.size, entries=found.entries, pins=tuple(pins), modules=modules(site))
        seal(site)
        whole = os.path.join(staged, "whole")
        os.mkdir(whole, 0o755)
        _move_sealed(site, whole)
        with open(os.path.join(whole, "about"), "wb") as file:
            file.write(msgspec.json.encode(about))
        # All of it is on the disk before it has its name: a power cut must not leave a set with empty files.
        os.sync()
        if os.path.lexists(self.path("sets", key)) and not self._evict(key):
            return  # somebody uses it, so it is whole
        os.rename(whole, self.path("sets", key))

    def sweep(self) -> None:
        """Remove what dead processes left, and the sets used longest ago until the rest fits."""
        for name in _names(self.path("staging")):
            folder = self.path("staging", name)
            with contextlib.suppress(OSError):
                descriptor = try_lock(f"{folder}/lock")
                if descriptor is not None:
                    self.unstage(folder, descriptor)
        by_age = sorted(self._sets())
        total = sum(size for _, _, size in by_age)
        for _, key, size in by_age:
            if total <= self._max_bytes:
                return
            if self._evict(key):
                total -= size

    def _sets(self) -> list[tuple[float, str, int]]:
        found: list[tuple[float, str, int]] = []
        for key in _names(self.path("sets")):
            try:
                with open(self.path("sets", key, "about"), "rb") as file:
                    size = msgspec.json.decode(file.read(), type=About).size
            except (OSError, msgspec.DecodeError):
                size = measure(self.path("sets", key)).size
            try:
                used = os.stat(self.path("leases", key)).st_mtime
            except OSError:
                used = 0.0
            found.append((used, key, size))
        return found

    def _evict(self, key: str) -> bool:
        lease = self.path("leases", key)
        descriptor = try_lock(lease)
        if descriptor is None:
            return False
        try:
            grave = self.path("staging", secrets.token_hex(8))
            # Another process may sweep the grave at the same time; what stays is swept next time.
            with contextlib.suppress(OSError):
                os.rename(self.path("sets", key), grave)
                remove(grave)
        finally:
            drop(lease, descriptor)
        return True


def modules(site: str) -> tuple[str, ...]:
    """The names at the top of a folder of packages that an import could name."""
    found = {name.split(".")[0] for name in _names(site) if name.endswith((".py", ".so", ".pyc"))}
    found |= {name for name in _names(site) if os.path.isdir(os.path.join(site, name))}
    return tuple(sorted(name for name in found if name.isidentifier() and name != "__pycache__"))


def _move_sealed(site: str, whole: str) -> None:
    # Who is not root may move a folder only while it is writable, as its `..` changes.
    os.chmod(site, 0o755)  # noqa: S103
    os.rename(site, os.path.join(whole, "site"))
    os.chmod(os.path.join(whole, "site"), 0o555)  # noqa: S103


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
