"""Read the changed files of a gate that serves; a bad edit is told of loudly, and what is in force stays (law 7).

Knows nothing of event loops: `fd` is watched, and `feed`, `expire` and `finish` called, by whoever has one.
"""

from collections.abc import Callable
from typing import Literal

from msgspec.structs import fields

from callgate.config.loaded import Loaded
from callgate.config.loader import ConfigLoad
from callgate.config.model import ServeConfig
from callgate.config.purpose import Purpose
from callgate.diagnostics import Diagnostic
from callgate.errors import ConfigError
from callgate.text import escape

Log = Callable[[Literal["error", "warning"], str], None]


class ConfigReload:
    """Reads the configuration at `path` again, one reading at a time. Nothing it is given ever raises out of it.

    `purpose` is what it is read for, as `settled_config` was told.
    """

    def __init__(self, path: str, log: Log, purpose: Purpose = "serve") -> None:
        self._path = path
        self._purpose: Purpose = purpose
        self._log = log
        self._load: ConfigLoad | None = None
        self.refused: ConfigError | None = None
        """Why the last reading is not in force; None if it is, or could not be made. Its `seen` is for
        `FilesWatch.also`."""

    @property
    def fd(self) -> int | None:
        """The descriptor to watch while a reading is under way."""
        return None if self._load is None else self._load.fd

    def start(self) -> int | None:
        """Begin to read, or begin anew: what was under way may be of a file that changed since. Returns the `fd`.

        None if no process can be started now: tell the watch that the file is unread.
        """
        self.cancel()
        try:
            self._load = ConfigLoad(self._path, self._purpose)
        except OSError as error:
            self._log("error", f"the changed files cannot be read now, the old ones stay: {error.strerror}")
            return None
        return self._load.fd

    def feed(self) -> bool:
        """Take in what has arrived. True when it is all there."""
        return self._load is None or self._load.feed()

    def expire(self) -> None:
        if self._load is not None:
            self._load.expire()

    def finish(self) -> Loaded | None:
        """Return what is to be in force now; None if the old stays, which was logged if the files are to blame."""
        load, self._load = self._load, None
        self.refused = None
        if load is None:
            return None
        try:
            loaded = load.result()
        except ConfigError as error:
            self.refused = error
            for finding in error.diagnostics:
                self._log(finding.severity, one_line(finding))
            self._log("error", "the changed files are not in force: what was read before stays")
            return None
        if not loaded.is_current():
            # Written to while it was read, so it may be half of what it is meant to be. The watch sees the change.
            return None
        for document in loaded.documents.values():
            for finding in document.warnings:
                self._log("warning", one_line(finding))
        for finding in loaded.config.warnings:
            self._log("warning", one_line(finding))
        return loaded

    def cancel(self) -> None:
        """Stop reading. Idempotent."""
        if self._load is not None:
            self._load.cancel()
            self._load = None


def one_line(finding: Diagnostic) -> str:
    """Return a finding as a line of a log: without its line of the file, which may hold what no log should."""
    source = finding.source
    place = f"{source.file}:{source.line}:{source.column}: " if source else ""
    return escape(f"{place}[{finding.code}] {finding.message}")


def changes(old: ServeConfig, new: ServeConfig) -> tuple[str, ...]:
    """Return the keys whose values differ, as `listen.port`, `servers.git` or `state`, in the order of the model.

    `runner` is none of them: nothing that serves depends on it.
    """
    found: list[str] = []
    for field in fields(ServeConfig):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name in ("path", "revision", "warnings", "runner") or before == after:
            continue
        if field.name == "servers":
            known = {server.name: server for server in before}
            wanted = {server.name: server for server in after}
            for name in dict.fromkeys((*known, *wanted)):
                if known.get(name) != wanted.get(name):
                    found.append(f"servers.{name}")
        elif field.name == "listen":
            parts = (part.name for part in fields(type(before)))
            found += [f"listen.{part}" for part in parts if getattr(before, part) != getattr(after, part)]
        else:
            found.append(field.name)
    return tuple(found)
