"""Pages for what can be wrong with `runner` in callgate.yaml."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "CFG052": CodePage(
        "Not a journal",
        "`journal` of `runner` is not the place of a database that executions can be kept in. Memory is none: an "
        "execution that was accepted must survive the end of the process.",
        "Write `sqlite:PATH`, or `postgresql://USER@HOST/DATABASE` for several machines.",
    ),
    "CFG053": CodePage(
        "Not a queue",
        "`queue` of `runner` is not the URL of a kind of queue that this version has.",
        "Write `memory://` for one process, or `redis://HOST:PORT/DB` for workers on several machines.",
    ),
    "CFG054": CodePage(
        "Not a place to connect to",
        "An entry of `network` is a host with a port (`api.example.com:443`), or `*.` with a domain and a port for all "
        "names below it. Schemes, paths and patterns within a label are not taken, and every port is named.",
        "Write `HOST:PORT` or `*.HOST:PORT`. An IPv6 address stands in brackets.",
    ),
    "CFG055": CodePage(
        "Not the name of a package",
        "An entry of `allow` or `deny` is the name of a package, or a pattern with `*` and `?`. Versions, extras and "
        "addresses are not taken: which version is wanted, the code says.",
        "Write the name alone.",
    ),
    "CFG056": CodePage(
        "No such server",
        "`servers` of `runner` names a server that the file does not have.",
        "Correct the name, or add the server to `servers` at the top of the file.",
    ),
    "CFG057": CodePage(
        "What the backend does not have",
        "`backend` and another key do not go together. `monty` has no wall of the operating system, so it is used only "
        "with `accept_tier: interpreter`, and knows no network, no packages and no other interpreter; `bwrap` has "
        "walls, or does not start.",
        "Change the one that is not meant. Nothing weaker than `sandbox` is ever chosen without being named.",
    ),
    "CFG058": CodePage(
        "Bounds that contradict each other",
        "One set of packages may take more room (`max_set`) than all of them together (`max_cache`).",
        "Make `max_cache` larger, or `max_set` smaller.",
    ),
    "CFG059": CodePage(
        "A secret that is too short to be kept out of output",
        "The runner replaces secrets wherever code prints or returns them. A secret of fewer than six characters is "
        "found in places that have nothing to do with it, so nothing sensible would be left of the output.",
        "Use a longer secret. If it is none, such as `true` or a region, write it as plain text and not as a secret.",
    ),
    "CFG109": CodePage(
        "A shared queue, and a journal on one machine",
        "Workers on several machines can take executions from this queue, but the journal is a SQLite file, which only "
        "those on this machine share. A worker elsewhere finds nothing under the id that it was told.",
        "Write `journal: postgresql://…`, unless all workers are on this machine.",
    ),
    "CFG110": CodePage(
        "Weaker walls are accepted",
        "`accept_tier: weak` lets code run where namespaces are not to be had, behind Landlock and seccomp alone. It "
        "can then learn which paths and processes exist on this machine, and its files are bounded by counting only. "
        "Where namespaces are to be had, the full sandbox is used all the same.",
        "Leave `accept_tier` out: the runner then refuses to start where a wall is missing, and says which.",
    ),
    "CFG111": CodePage(
        "Code can reach this machine",
        "An entry of `network` names this machine, or a link-local address, as metadata services of clouds have. What "
        "listens there often asks nobody who they are.",
        "Delete the entry, unless every agent may use whatever listens there.",
    ),
}
"""Code → its page."""
