"""The folder with the compiled guest, which every sandbox has: made at `open`, gone at `close`.

A runner that is killed leaves its folder behind; the next one of the same user removes it, by a lock that only the
living hold.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from callgate.errors import SandboxError
from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.bwrap.command import EMPTY
from callgate.runner.sandbox.removal import remove_tree
from callgate.text import quote

_PREFIX = "callgate-guest-"
_NEW = "callgate-new-"
_LOCK = ".lock"
_COMPILE = """
import py_compile, sys
py_compile.compile(sys.argv[1], cfile=sys.argv[2], dfile="callgate_entry.py", doraise=True,
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


class GuestFolder:
    """`path` is the folder, once it has been made."""

    def __init__(self) -> None:
        self.path = ""
        self._lock = -1

    def make(self, python: str) -> None:
        """Compile the guest with `python`, which is to run it. Blocks. Raises SandboxError (SBX005, SBX006)."""
        try:
            _sweep()
            self.path = tempfile.mkdtemp(prefix=_NEW)
            self._lock = os.open(os.path.join(self.path, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Under the name that others sweep, it is never without its lock.
            named = self.path.replace(_NEW, _PREFIX)
            os.rename(self.path, named)
            self.path = named
            guest_files.prepare(python, self.path)
            _compile_entry(python, self.path)
            empty = os.path.join(self.path, EMPTY)
            os.mkdir(empty)
            os.chmod(empty, 0o755)  # noqa: S103 - whatever the umask is
        except OSError as problem:
            raise SandboxError(
                "SBX006",
                f"the sandbox's own files cannot be written below {quote(tempfile.gettempdir())}: {problem.strerror}",
                "give the runner a folder for temporary files (TMPDIR) with a few megabytes of room",
            ) from None

    def remove(self) -> None:
        """Remove the folder, as far as that can be done. Idempotent."""
        if self.path:
            path, self.path = self.path, ""
            remove_tree(path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _compile_entry(python: str, folder: str) -> None:
    source, target = str(Path(__file__).with_name("entry.py")), os.path.join(folder, "callgate_entry.pyc")
    try:
        subprocess.run(
            [python, "-I", "-S", "-B", "-c", _COMPILE, source, target],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=True,
        )
    except subprocess.SubprocessError as problem:
        raise SandboxError(
            "SBX005",
            f"the interpreter for scripts, {quote(python)}, cannot compile ({type(problem).__name__})",
        ) from None
    os.chmod(target, 0o644)


def _sweep() -> None:
    """Remove what runners of this user that were killed have left."""
    for entry in os.scandir(tempfile.gettempdir()):
        if not entry.name.startswith(_PREFIX) or not entry.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(OSError):
            if entry.stat(follow_symlinks=False).st_uid != os.geteuid():
                continue
            try:
                lock = os.open(os.path.join(entry.path, _LOCK), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                # What a removal that was broken off has left.
                remove_tree(entry.path)
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end_started_with(entry.path)
                remove_tree(entry.path)
            finally:
                os.close(lock)


def _end_started_with(folder: str) -> None:
    """Kill what was started with a folder whose runner is dead.

    A bubblewrap that is killed within microseconds of its start leaves a child that waits for ever, without a guest.
    """
    wanted = folder.encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
                if wanted in words and os.path.basename(words[0]) == b"bwrap":
                    os.kill(int(name), signal.SIGKILL)
