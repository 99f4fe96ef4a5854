"""Whether the programs that servers are started by are here. Runs none of them."""

import os
from collections.abc import Mapping
from shutil import which

from callgate.config.model import Secret, ServeConfig
from callgate.diagnostics import Diagnostic
from callgate.text import quote


def missing_programs(
    config: ServeConfig, called: str, environ: Mapping[str, str] = os.environ
) -> tuple[Diagnostic, ...]:
    """Return a warning (CFG106) for each server whose program cannot be found now; `called` names the file.

    What starts a server would say so only when its first session begins.
    """
    found = []
    for server in config.servers:
        path = server.env.get("PATH", environ.get("PATH"))
        if not server.command or isinstance(path, Secret) or which(server.command[0], path=path) is not None:
            continue
        program = server.command[0]
        where = "that can be run here" if "/" in program else "on the PATH here"
        what = f"there is no program {quote(program, 200)} {where}"
        message = f"server {quote(server.name)} of {quote(called, 200)}: {what}"
        help = "install it where the gate runs, or write its whole path"
        found.append(Diagnostic("warning", "CFG106", message, help=help))
    return tuple(found)
