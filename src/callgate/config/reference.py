"""The reference page of callgate.yaml, made from the key tables. `python -m callgate.config.reference` prints it."""

import sys

from callgate.config import runner_keys
from callgate.config.keys import AUTH, JWT, LIMITS, LISTEN, SECRET, SERVER, SESSIONS, TELEMETRY, TLS, TOP
from callgate.policy.keys import Key

_INTRODUCTION = """\
# Configuration reference

`callgate serve -c callgate.yaml` reads one file: which servers there are, who may call, and what it counts and
records. `callgate runner` reads the same file. This page lists every key. `callgate config check` finds every mistake
in the file, and in the policies that it names, at once; `callgate config schema` prints a schema for editors.

The least that works:

```yaml
servers:
  git: {command: [mcp-server-git], policy: git.yaml}
  docs: {url: "http://127.0.0.1:9000/mcp", policy: docs.yaml}
```

Agents reach these at `http://127.0.0.1:8722/git/mcp` and `http://127.0.0.1:8722/docs/mcp`. A gate for other machines,
with tokens and shared limits:

```yaml
listen:
  host: 0.0.0.0
  hosts: [gate.example.com]
auth:
  resource: https://gate.example.com
  jwt:
    issuer: https://id.example.com
    audience: https://gate.example.com
    jwks: https://id.example.com/jwks
servers:
  docs:
    url: https://docs.example.com/mcp
    policy: docs.yaml
    headers:
      Authorization: {env: DOCS_TOKEN, prefix: "Bearer "}
state: {env: REDIS_URL}
audit: calls.jsonl
```

The file is read as policies are: as YAML 1.2, where `no` and `on` are texts; unknown keys, words that are not listed
and keys given twice are errors; tags, merge keys (`<<`) and more than one document are refused. Paths are relative to
the folder of the file; `~` and variables are not expanded.

A **duration** is a number with one of the units `ms`, `s`, `m`, `h`, `d`, or a number of seconds. A **size** is a
number with one of the units `B`, `KB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (powers of 1024), or a number
of bytes.
"""

_RUNNER = """\
For `callgate runner` only, which shares `servers`, `listen`, `auth`, `state` and `audit` with `callgate serve`. A file
with a `runner` needs no `servers`:

```yaml
runner:
  journal: {env: JOURNAL_URL}
  queue: {env: REDIS_URL}
  policy: runner-policy.yaml
  limits: {memory: 512MiB, time: 1h}
  packages: {allow: [numpy, pandas]}
  secrets: {API_TOKEN: {env: API_TOKEN}}
```

"""

_CHANGES = """\
## When files change

The gate looks at this file and at all files that it names. A file that changed counts when nobody has written to it
for 100 ms. If one of them is not valid, the gate logs every mistake, and goes on as before. Counters survive.
"""


def reference() -> str:
    """Return the page as Markdown."""
    parts = [
        _INTRODUCTION,
        _section("The file", TOP),
        _section("A server", SERVER),
        _section("A secret", SECRET),
        _section("`listen`", LISTEN),
        _section("`tls`", TLS),
        _section("`limits`", LIMITS),
        _section("`auth`", AUTH),
        _section("`jwt`", JWT),
        _section("`sessions`", SESSIONS),
        _section("`telemetry`", TELEMETRY),
        _section("`runner`", runner_keys.RUNNER, _RUNNER),
        _section("`limits` of `runner`", runner_keys.LIMITS),
        _section("`packages`", runner_keys.PACKAGES),
        _section("`retention`", runner_keys.RETENTION),
        _CHANGES,
    ]
    return "\n".join(parts)


def _section(title: str, table: tuple[Key, ...], introduction: str = "") -> str:
    return f"## {title}\n\n{introduction}" + "\n".join(_key(key) for key in table)


def _key(key: Key) -> str:
    default = "required" if key.required else f"if left out: {_default(key.default)}"
    lines = [f"### `{key.name}`", "", f"{key.type}; {default}", "", key.meaning, ""]
    return "\n".join([*lines, "```yaml", f"{key.name}: {key.example}", "```", ""])


def _default(text: str) -> str:
    if not text:
        return "nothing"
    is_value = " " not in text or text[0] in "[{"
    return f"`{text}`" if is_value and text != "none" else text


if __name__ == "__main__":
    sys.stdout.write(reference())
