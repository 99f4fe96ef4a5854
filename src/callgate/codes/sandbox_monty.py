"""Pages for the codes of the runner's second backend, Monty (050 …)."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "SBX050": CodePage(
        "Monty is not installed",
        "The runner is set to the backend `monty`, and the package pydantic-monty is not in its environment. No "
        "execution is accepted: the runner never changes to another backend by itself.",
        "Run `pip install callgate[monty]` in the runner's environment, or set `backend: bwrap`.",
    ),
    "SBX051": CodePage(
        "the interpreter's process does not start",
        "Each execution has a process of its own that drives the interpreter, and that one could not be started, or "
        "ended before it was ready. The message has the last thing that it said.",
        "Run `monty --version` in the runner's environment. If that fails, reinstall `callgate[monty]`; if it works, "
        "look at the limits of processes and open files under which the runner runs.",
    ),
    "SBX052": CodePage(
        "the interpreter fails its self-test",
        "Before it takes a script the backend tries what scripts must not be able to do: read and write files, start "
        "programs, open sockets, see the environment, use more memory or time than allowed. One of them was not "
        "refused as it must be, or not even a harmless script ran. The message names it.",
        "Install a version of pydantic-monty that callgate names in its extra `monty`. If the version is right, "
        "report it; until then use `backend: bwrap`.",
    ),
}
