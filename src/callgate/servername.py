"""What to call a server that was not given a name. Rules, audit and lasting counters know it by this name."""

import os
from collections.abc import Sequence

_RUNNERS = frozenset(
    (
        "npx",
        "uvx",
        "uv",
        "pipx",
        "bunx",
        "bun",
        "deno",
        "npm",
        "pnpm",
        "yarn",
        "python",
        "pypy",
        "node",
        "ruby",
        "sh",
        "bash",
    )
)
"""Programs that start what their arguments name."""

_WRAPPERS = {"env": 0, "timeout": 1, "nice": 0, "nohup": 0, "sudo": 0, "exec": 0, "time": 0}
"""Programs that start another one, with how many words of their own before it."""

_CODE = frozenset(("-c", "-e", "--eval", "-lc"))
"""Options whose value is a program's text, which names nothing."""

_VERBS = frozenset(("run", "exec", "x", "dlx", "tool"))
_NOT_TELLING = frozenset(("index", "main", "__main__", "server", "cli", "app", "start", "mcp"))
_FOLDERS = frozenset(
    (
        "dist",
        "build",
        "src",
        "lib",
        "bin",
        "out",
        "mcp",
        "opt",
        "usr",
        "local",
        "home",
        "tmp",
        "srv",
        "var",
        ".",
        "..",
    )
)


def server_name(command: Sequence[str]) -> str:
    """A short name for the server that `command` starts: `npx -y @scope/server-git@1.2 DIR` is `server-git`."""
    words = list(command)
    while len(words) > 1 and os.path.basename(words[0]) in _WRAPPERS:
        own = _WRAPPERS[os.path.basename(words.pop(0))]
        words = _without_options(words)[own:]
        while len(words) > 1 and "=" in words[0]:
            words.pop(0)
    if (
        len(words) > 1
        and os.path.basename(words[0]).rstrip("0123456789.") in _RUNNERS
        and words[1] not in _CODE
    ):
        words = _without_options(words[1:]) or words
        while len(words) > 1 and words[0] in _VERBS:
            words = _without_options(words[1:])
    return _short(words[0]) if words else "server"


def _without_options(words: list[str]) -> list[str]:
    """Leave out leading options; `-m` of Python and `--package` and its kin stand right before what they name."""
    start = 0
    while start < len(words) and words[start].startswith("-"):
        start += 1
    return words[start:] or words


def _short(word: str) -> str:
    *folders, name = [part for part in word.split("/") if part]
    name = name.rsplit("@", 1)[0] or name
    stem = name.removesuffix(".js").removesuffix(".mjs").removesuffix(".py").removesuffix(".ts")
    if stem.lower() in _NOT_TELLING:
        telling = [folder for folder in folders if folder.lower() not in _FOLDERS]
        return telling[-1] if telling else name
    return name
