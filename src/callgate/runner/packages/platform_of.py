"""Which interpreter packages are for: asked of the interpreter itself, once. Blocking; runs nothing of a package."""

import subprocess
import sys

from callgate.errors import PackagesError

_ASK = (
    "import sys, sysconfig, platform; print(sys.implementation.cache_tag, '.'.join(map(str, sys.version_info[:3])),"
    " sysconfig.get_config_var('SOABI'), sysconfig.get_platform(), '-'.join(platform.libc_ver()))"
)


def platform_of(python: str | None) -> str:
    """One line that is equal for interpreters that can share packages and bytecode. Raises PackagesError (PKG012)."""
    try:
        asked = subprocess.run(
            [python or sys.executable, "-I", "-S", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env={},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PackagesError(
            "PKG012",
            "packages cannot be installed: the interpreter of the sandbox does not start",
            "the operator corrects `runner.python`",
        ) from error
    return asked.stdout.strip()
