"""What scripts cannot do behind the weaker walls, and what they can: run as root and as a plain user."""

import os
import tempfile
from pathlib import Path

import pytest
from weak_runs import LIMITS, WeakBench

REFUSED = {
    "read the system's accounts": "open('/etc/passwd').read()",
    "read what only root may": "open('/etc/shadow').read()",
    "list the root folder": "os.listdir('/')",
    "list what the runner has beside it": "os.listdir('..')",
    "list temporary files": "os.listdir('/tmp')",
    "read its own process": "open('/proc/self/maps').read()",
    "read the first process": "open('/proc/1/cmdline').read()",
    "read the runner's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "see where the runner works": "os.readlink(f'/proc/{os.getppid()}/cwd')",
    "list processes": "os.listdir('/proc')",
    "see connections": "open('/proc/net/tcp').read()",
    "write beside its folder": "open('../new', 'w')",
    "write to temporary files": "open('/tmp/callgate_new', 'w')",
    "empty its interpreter": "os.truncate(os.__file__, 0)",
    "empty its interpreter by opening": "os.open(os.__file__, os.O_RDONLY | os.O_TRUNC)",
    "remove its interpreter": "os.unlink(os.__file__)",
    "link its interpreter": "os.link(os.__file__, 'mine')",
    "move what is not its own": "os.rename(os.__file__, 'mine')",
    "take over a file": "os.chown('.', 0, 0)",
    "reach through a link": "(os.symlink('/etc/passwd', 'link'), open('link').read())",
    "make a fifo": "os.mkfifo('fifo')",
    "make a file without a name": "os.open('.', os.O_TMPFILE | os.O_RDWR)",
    "make a TCP socket": "socket.socket()",
    "make a UDP socket": "socket.socket(type=socket.SOCK_DGRAM)",
    "make a unix socket": "socket.socket(socket.AF_UNIX)",
    "make a pair of sockets": "socket.socketpair()",
    "fork": "os.fork()",
    "run a program": "os.execv('/bin/true', ['true'])",
    "start a program": "__import__('subprocess').run(['true'])",
    "signal the runner": "os.kill(os.getppid(), 0)",
    "signal all": "os.kill(-1, 0)",
    "signal its group": "os.killpg(0, 0)",
    "become root": "os.setuid(0)",
    "outlive the runner": "prctl(1, 0)",
    "leave its session": "os.setsid()",
    "take another root": "os.chroot('.')",
    "trace": "call(101, 117, 16, os.getppid(), 0, 0)",
    "read memory of another": "call(310, 270, os.getppid(), 0, 0, 0, 0, 0)",
    "make namespaces": "call(272, 97, 0x10000000)",
}

_ATTEMPT = """
import ctypes, os, platform, socket
library = ctypes.CDLL(None, use_errno=True)
def call(x86, arm, *arguments):
    number = arm if platform.machine() == "aarch64" else x86
    if library.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")
def prctl(*arguments):
    if library.prctl(*arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")
try:
    answer = repr({attempt})
except OSError as error:
    answer = ""
"""

SAFE = {
    "write and read files": "open('a', 'w').write('x'); ok = open('a').read() == 'x'",
    "have folders": "import os; os.makedirs('a/b/c'); os.rename('a/b', 'b'); ok = os.listdir('b') == ['c']",
    "have temporary files": "import tempfile\nwith tempfile.TemporaryFile() as f: ok = f.write(b'x') == 1",
    "have temporary folders": "import tempfile, os\nwith tempfile.TemporaryDirectory() as d: ok = os.path.isdir(d)",
    "copy files": "import shutil; open('a', 'w').write('x'); shutil.copy2('a', 'b'); ok = open('b').read() == 'x'",
    "have a database": "import sqlite3; c = sqlite3.connect('d'); c.execute('create table x(a)'); ok = True",
    "have threads": (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as p: "
        "ok = list(p.map(abs, [-1])) == [1]"
    ),
    "have random numbers": "import secrets; ok = len(secrets.token_bytes(4)) == 4",
    "import the standard library": "import zoneinfo, csv, decimal, hashlib, ssl, zipfile, bz2, lzma; ok = True",
    "signal itself": "import signal, os; signal.signal(10, lambda *_: None); os.kill(os.getpid(), 10); ok = True",
    "call tools": "ok = mcp_S_t(a=1) == ['mcp_S_t', {'a': 1}]",
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED)
def test_a_script_is_refused_to(weak: WeakBench, attempt: str) -> None:
    ending, _ = weak.run(_ATTEMPT.format(attempt=attempt), output_vars={"answer": "str"})
    assert ending.results == {"answer": ""}, ending


@pytest.mark.parametrize("script", SAFE.values(), ids=SAFE)
def test_a_script_may(weak: WeakBench, script: str) -> None:
    from callgate.runner.sandbox.contract import Function

    functions = [Function(name="mcp_S_t", parameters=("a",))]
    ending, _ = weak.run(script, output_vars={"ok": "bool"}, functions=functions)
    assert ending.results == {"ok": True}, ending


def test_a_file_of_the_runners_user_cannot_be_read_or_changed(weak: WeakBench) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "state")
        file.write_text("mine")
        folder_mode = os.stat(folder).st_mode
        os.chmod(folder, 0o711)  # noqa: S103
        file.chmod(0o666)
        before = file.stat()
        script = f"import os\nos.chmod({str(file)!r}, 0o777)\nos.utime({str(file)!r}, (1, 1))\n" + "".join(
            f"try: {what}\nexcept OSError: pass\nelse: raise SystemExit({what!r})\n"
            for what in (
                f"open({str(file)!r})",
                f"open({str(file)!r}, 'a')",
                f"os.truncate({str(file)!r}, 0)",
            )
        )
        ending, _ = weak.run(script)
        after = file.stat()
        os.chmod(folder, folder_mode)
        assert ending.state == "completed", ending
        assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
        assert file.read_text() == "mine"


def test_the_runners_environment_is_not_handed_on(weak: WeakBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLGATE_TEST_WORD", "hidden")
    script = "import os; seen = sorted(os.environ)"
    for _ in range(2):  # the second one was surely started after the word was set
        ending, _ = weak.run(script, output_vars={"seen": "list"})
    assert ending.results is not None
    assert set(ending.results["seen"]) <= {
        "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "MKL_NUM_THREADS", "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS", "PATH", "PYTHONHASHSEED", "TMPDIR", "TZ",
    }  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="a plain user has one user to give")
def test_under_root_every_script_has_a_user_of_its_own(weak: WeakBench) -> None:
    script = "import os, time; uid = os.getuid(); time.sleep(0)"
    users = {(weak.run(script, output_vars={"uid": "int"})[0].results or {})["uid"] for _ in range(2)}
    assert 0 not in users
    assert all(user >= 2_000_000 for user in users)


def test_scripts_that_want_the_network_are_refused(weak: WeakBench) -> None:
    from weak_runs import weak_job

    assert "no network" in (weak.backend.refuses(weak_job("", LIMITS, network=("a:1",))) or "")


def test_what_is_installed_into_the_interpreter_cannot_be_read(tmp_path: Path) -> None:
    from callgate.runner.sandbox.bwrap.system import Interpreter
    from callgate.runner.sandbox.weak.places import listable, readable

    library = tmp_path / "lib" / "python3.11"
    installed = library / "site-packages"
    installed.mkdir(parents=True)
    (library / "os.py").touch()
    (library / "away.py").symlink_to("/etc/passwd")
    python = Interpreter(
        "/opt/python/bin/python3.11", "/opt/python/lib", (3, 11), "x86_64",
        binds=((str(library), "/opt/python/lib/python3.11"),),
        links=(),
        hidden=((str(installed), "/opt/python/lib/python3.11/site-packages"),),
        prefix=str(tmp_path),
    )  # fmt: skip
    places = readable(python, "/guest", ())
    assert str(library / "os.py") in places
    assert not {str(library), str(installed), str(library / "away.py")} & set(places)
    assert listable(python) == (str(library),)
