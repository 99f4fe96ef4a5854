"""A backend that cannot keep every wall does not open, and says what to do about it."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sandbox_runs import LIMITS, Bench, KeepingHost, children, descriptors, job
from tests.support.plain_user import plain_environment, plain_folder, run_plain

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.bwrap.guest_folder import GuestFolder

OPEN = """
import asyncio
from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.contract import Limits

async def main():
    backend = BwrapBackend(limits=Limits(memory=256 << 20), pool=1)
    try:
        reports = await backend.open()
    except SandboxError as error:
        print(error.code, error.help)
    else:
        print("held", len(reports), all(report.held for report in reports))
        await backend.close()

asyncio.run(main())
"""


def refusal() -> SandboxError:
    before = (descriptors(), children())
    backend = BwrapBackend(limits=LIMITS)
    with pytest.raises(SandboxError) as caught:
        asyncio.run(backend.open())
    assert (descriptors(), children()) == before
    assert caught.value.exit_status == 6
    assert caught.value.help
    return caught.value


def test_every_wall_is_tried_and_holds(bench: Bench) -> None:
    names = {report.name for report in bench.walls}
    assert {"host_file", "system_write", "socket", "vsock", "io_uring", "keyctl", "ptrace", "mount"} <= names
    assert {"memory", "user", "no_new_privs", "seccomp", "landlock", "inodes", "machine"} <= names
    assert all(report.held for report in bench.walls)


def test_every_wall_is_tried_and_holds_for_a_plain_user() -> None:
    with plain_folder() as folder:
        (folder / "open.py").write_text(OPEN)
        done = run_plain(folder / "open.py")
    assert done.stdout.startswith("held "), done.stdout + done.stderr
    assert done.stdout.endswith(" True\n")


def test_without_bubblewrap_the_package_to_install_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refusal()
    assert error.code == "SBX003"
    assert "`bubblewrap`" in (error.help or "")


def test_without_user_namespaces_the_setting_is_named(tmp_path: Path) -> None:
    script = tmp_path / "open.py"
    script.write_text(OPEN)
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "sh", "-c"),
            f"echo 0 >/proc/sys/user/max_user_namespaces && exec {sys.executable} {script}",
        ],
        capture_output=True,
        text=True,
        env=plain_environment() | {"TMPDIR": str(tmp_path)},
        timeout=120,
        check=False,
    )
    assert done.stdout.startswith("SBX010 allow user namespaces"), done.stdout + done.stderr
    assert "max_user_namespaces" in done.stdout


def _other_bwrap(folder: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """A `bwrap` on the PATH that hands on other arguments; in `change`, `args` is the list."""
    real = shutil.which("bwrap")
    program = folder / "bwrap"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys\nargs = sys.argv[1:]\n{change}\nos.execv({real!r}, ['bwrap', *args])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("wall", "change"),
    [
        (
            "host_file",
            "args[:0] = ['--perms', '0755', '--dir', '/tmp', '--bind', '/tmp', '/tmp']\n"
            "i = args.index('scratch/tmp'); del args[i-1:i+2]",
        ),
        ("disk", "i = args.index('--size'); args[i + 1] = str(1 << 30)"),
        ("environment", "i = args.index('--setenv'); args[i:i] = ['--setenv', 'CALLGATE_TEST_SECRET', 'x']"),
    ],
)
def test_a_wall_that_is_missing_is_found_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wall: str, change: str
) -> None:
    monkeypatch.setenv("CALLGATE_TEST_SECRET", "x")
    _other_bwrap(tmp_path, monkeypatch, change)
    error = refusal()
    assert (error.code, f"({wall}: " in error.message) == ("SBX020", True), error.message


def test_what_bubblewrap_itself_says_reaches_the_operator(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _other_bwrap(tmp_path, monkeypatch, "args[:0] = ['--no-such-option']")
    error = refusal()
    assert error.code == "SBX010"
    assert "no-such-option" in error.message


def test_an_interpreter_that_cannot_be_run_is_named() -> None:
    backend = BwrapBackend(limits=LIMITS, python="/no/such/python")
    with pytest.raises(SandboxError, match="/no/such/python") as caught:
        asyncio.run(backend.open())
    assert caught.value.code == "SBX005"


def test_a_job_with_a_network_is_refused_where_there_is_no_proxy(bench: Bench) -> None:
    assert bench.backend.refuses(job("", network=("example.com:443",))) is not None
    assert bench.backend.refuses(job("")) is None


def test_a_backend_that_is_not_open_runs_nothing() -> None:
    with pytest.raises(SandboxError):
        asyncio.run(BwrapBackend(limits=LIMITS).run(job("print(1)"), KeepingHost()))


def test_a_start_that_fails_later_says_so_in_the_guests_own_words() -> None:
    before = children()
    made = Bench(pool=0)
    try:
        shutil.rmtree(Path(made.backend._guest.path) / "callgate_guest")
        with pytest.raises(SandboxError, match="callgate_guest") as caught:
            made.run("print(1)")
        assert caught.value.code == "SBX010"
        assert children() == before
    finally:
        made.close()


def test_what_a_killed_runner_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, living = GuestFolder(), GuestFolder()
    left.make(sys.executable)
    living.make(sys.executable)
    os.close(left._lock)
    wait = ["-c", "import sys; sys.stdin.read()", left.path]
    stuck, bystander = (
        subprocess.Popen([name, *wait], executable=sys.executable, stdin=subprocess.PIPE)
        for name in ("bwrap", "other")
    )
    third = GuestFolder()
    third.make(sys.executable)
    assert not os.path.exists(left.path)
    assert os.path.isdir(living.path)
    assert stuck.wait() == -signal.SIGKILL
    bystander.communicate()
    assert bystander.returncode == 0
    stuck.communicate()
    living.remove()
    third.remove()
