"""Whether this process may give scripts a user of their own, which it must where it is root. Reads /proc only."""

import os

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.users import mapped_here

_NEEDED = {0: "CAP_CHOWN", 1: "CAP_DAC_OVERRIDE", 5: "CAP_KILL", 6: "CAP_SETGID", 7: "CAP_SETUID"}
"""By number, capability.h: to hand over and remove folders, to end scripts, to become another user."""


def gives_users() -> bool:
    """True for root, who gives each script a user; False for a plain user. Raises SandboxError (SBX041)."""
    if os.geteuid() != 0:
        return False
    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        rights = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff")), 0)
    missing = [name for bit, name in _NEEDED.items() if not rights >> bit & 1]
    if not missing and mapped_here():
        return True
    what = f"it lacks {', '.join(missing)}" if missing else "its container knows too few users"
    raise SandboxError(
        "SBX041",
        f"root cannot give scripts a user of their own here: {what}",
        "run the runner as a plain user, or give the container these rights",
    )
