"""Pages for the codes of the runner's weaker tier, without namespaces (040 …)."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "SBX040": CodePage(
        "scripts run behind weaker walls",
        "A warning. `accept_tier: weak` is set and bubblewrap cannot make namespaces here, so scripts run behind "
        "Landlock, a filter of system calls and limits alone. They cannot read or change files of the machine, reach "
        "processes or use sockets. They can learn whether a path or a process exists, and a file's size, owner and "
        "times. Files, disk space and threads are counted while a script runs, many times a second, and it is ended "
        "when there are too many; what it unlinks and keeps open is bounded at 64 times `disk`. Modes and times of "
        "files stay as they are, whatever the script asks. There is no `/work`: a script has a folder of its own, "
        "which is its working directory. Every answer says `tier: weak`.",
        "Nothing, if that is enough. To have the full sandbox, make namespaces possible (see SBX010) or install "
        "bubblewrap (see SBX003). To refuse instead, leave `accept_tier` out.",
    ),
    "SBX041": CodePage(
        "root cannot give scripts a user of their own",
        "Without namespaces, a runner that is root gives each script another user, so that scripts are strangers to "
        "each other and to the machine. For that it needs CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL, CAP_SETGID and "
        "CAP_SETUID, and a container that knows users up to 7,000,000.",
        "Run the runner as a plain user (`--user 1000`), or give the container the rights that the message names.",
    ),
    "SBX042": CodePage(
        "scripts cannot reach their interpreter",
        "Without namespaces nothing is mounted for scripts, and one that runs as a user of its own has to reach the "
        "interpreter and the packages where they are. A folder on the way is closed to others.",
        "Name an interpreter that everybody may run as `runner.python`, such as `/usr/bin/python3`, and a folder that "
        "everybody may enter as `runner.packages.cache` and as TMPDIR; or run the runner as a plain user.",
    ),
    "SBX043": CodePage(
        "no network without namespaces",
        "`runner.network` lets scripts reach hosts through a proxy, which is the only way out of a network namespace. "
        "Without namespaces there is none, so the weaker tier gives scripts no network at all.",
        "Delete `network` where `accept_tier: weak` has to do, or make namespaces possible (see SBX010).",
    ),
}
