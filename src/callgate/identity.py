"""Who calls where nobody proves it: over stdio, the local user. Imports nothing of ours."""

import os
import pwd


def local_identity() -> str:
    """Return `local:USER` for the user whose process this is; the number stands in for a user without a name."""
    try:
        return f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"local:{os.getuid()}"
