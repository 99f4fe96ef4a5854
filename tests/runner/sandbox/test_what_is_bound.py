"""Of the interpreter a script sees what Python needs, and nothing that was installed beside it or into it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_runs import Bench

from callgate.runner.sandbox.bwrap.system import interpreter
from callgate.runner.sandbox.contract import Packages

_PYTHONS = [sys.executable, "/usr/bin/python3"]

_LOOK = """
import os, sys
def names(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
library = os.path.dirname(os.__file__)
prefix = sys.base_prefix
beside = [] if prefix == "/usr" else [n for n in names(prefix) + names(prefix + "/bin") + names(prefix + "/lib")
    if n not in ("bin", "lib", "lib64") and not n.startswith(("python3.", "lib"))]
packages = [os.path.join(folder, name) for folder, inner, _ in os.walk("/") for name in inner
    if name in ("site-packages", "dist-packages") and names(os.path.join(folder, name))]
old = names("/usr/lib/python3") + names("/usr/local") + names("/usr/share/doc")
"""


def _runs(python: str) -> bool:
    try:
        asked = "import sys;sys.exit(sys.version_info<(3,11))"
        return subprocess.run([python, "-c", asked], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="module", params=[each for each in _PYTHONS if _runs(each)])
def either(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(python=request.param)
    yield made
    made.close()


def test_nothing_that_is_installed_is_there(either: Bench) -> None:
    wanted = {"beside": "list", "packages": "list", "old": "list"}
    ending, _ = either.run(_LOOK, output_vars=wanted)
    assert ending.results == {"beside": [], "packages": [], "old": []}, ending


def test_the_whole_standard_library_can_be_imported(either: Bench) -> None:
    script = (
        "import bz2, csv, ctypes, decimal, hashlib, json, lzma, sqlite3, ssl, xml.etree, zlib, zoneinfo\n"
    )
    ending, _ = either.run(script)
    assert ending.state == "completed", ending


def test_the_cover_over_installed_packages_cannot_be_written(bench: Bench) -> None:
    script = (
        "import os\nfolder = os.path.join(os.path.dirname(os.__file__), 'site-packages')\n"
        "try:\n    open(os.path.join(folder, 'a.py'), 'w')\nexcept OSError:\n    held = True\n"
    )
    ending, _ = bench.run(script, output_vars={"held": "bool"})
    assert ending.results == {"held": True}, ending


def test_libraries_below_the_prefix_have_all_their_names() -> None:
    python = interpreter(sys.executable)
    inside = {inside for _, inside in python.binds} | {where for _, where in python.links}
    for here, where in python.binds:
        if ".so" in Path(here).name and here.startswith(python.prefix):
            beside = [each for each in Path(here).parent.iterdir() if each.resolve() == Path(here)]
            assert {str(Path(where).parent / each.name) for each in beside if ".so" in each.name} <= inside


def test_packages_of_a_job_are_still_seen(either: Bench, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine_module.py").write_text("NAME = 1\n")
    tmp_path.chmod(0o755)
    packages = (Packages(key="mine", path=str(tmp_path / "mine")),)
    ending, _ = either.run("import mine_module\n", packages=packages)
    assert ending.state == "completed", ending
