"""What the tests of the runner stand on: a script really runs without rights, with everything it imports."""

from tests.support.plain_user import plain_folder, run_plain

SCRIPT = """
import os, sys, msgspec, callgate
assert os.getuid() != 0 and os.geteuid() != 0 and os.getgroups() in ([], [os.getgid()])
assert [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")] == ["0" * 16]
open("written", "w").close()
try:
    open("/etc/shadow").read()
except PermissionError:
    print(sys.argv[1])
"""


def test_a_script_runs_as_a_plain_user_with_the_projects_packages() -> None:
    with plain_folder() as folder:
        script = folder / "script.py"
        script.write_text(SCRIPT)
        done = run_plain(script, "reached")
        assert (done.stdout, done.stderr, done.returncode) == ("reached\n", "", 0)
        assert (folder / "written").stat().st_uid != 0
