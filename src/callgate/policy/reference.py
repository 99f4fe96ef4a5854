"""The reference page of the native form, made from the key tables. `python -m callgate.policy.reference` prints it."""

import sys

from callgate.policy.condition_syntax import OPERANDS
from callgate.policy.keys import PER_EXECUTION, RATE_LIMIT, RULE, TOOL, TOP, VALIDATE, Key
from callgate.policy.limits import WORDS

_INTRODUCTION = """\
# Policy reference

A policy is one YAML file. This page lists every key of the native form. `callgate policy check` finds every
mistake in a file at once; `callgate policy schema` prints a schema of this form for
editors.

The file is read as YAML 1.2: `no` and `on` are texts, numbers are exact, and only `true` and `false` are truth
values. An unknown key, a word that is not one of those listed, and a key given twice are errors. Tags, merge
keys (`<<`) and more than one document are refused; anchors and aliases work. A file holds at most 1 MiB.

Rule order means nothing: all rules that apply to a call count, and the strictest wins. A condition that cannot
be evaluated, because its argument is absent or of another type, counts as strictly as it can.

```yaml
default: deny
hide: [drop_database]
tools:
  search_code:
    rules: []                      # allowed
  create_issue:
    rules:
      - rate_limit: 5/hour         # a rule without `action` is an allow rule
  create_refund:
    rules:
      - action: deny
        when: {args.amount: {gt: 500}}
        reason: "Refunds over 500 need a person."
      - validate: {args: {currency: {enum: [usd, eur]}}}
        rate_limit: {max: 2000.00, window: 1d, cost: args.amount, scope: global, per: args.currency}
  "*":
    rules:
      - rate_limit: 60/minute
```
"""

_PATHS = """\
A path is `args.` and the name of an argument (`args.a.b` goes into objects), or one of these:

| path | what it is |
|---|---|
| `identity` | who calls. Over stdio nobody proves it: it is `local:USER`, the user that the gate runs as |
| `identity.NAME` | a claim of the caller's credential; `identity.a.b` goes into objects. Over stdio there is none |
| `session` | the agent's session: the name given with `--session`, else a new one that ends with the process |
| `server` | the server's name: given with `--name`, else from its command (`npx -y @x/server-git@1.2`: `server-git`) |
| `tool` | the tool's name, as it is called |

`callgate policy explain` takes all but the last as options.

A claim that the credential does not hold is as an argument that the call does not hold: the condition cannot be
evaluated, and counts as strictly as it can. The claims are those of the credential that came with the call.

An argument whose name differs from the one in a path only in case or in look (`Amount` for `amount`) is refused.
"""

_TYPES = """\
### Types and numbers

Servers do not agree on types: many take `"true"`, `"on"` or `1` for `true`, and `"7"` for `7`. A value of another
type than what it is compared with is therefore neither equal nor unequal: the condition cannot be evaluated, and
counts as strictly as it can. A deny rule applies, an allow rule allows nothing. With `in` and `not_in` it is enough
that one item of the list has the value's type. Only a comparison with `null` is always certain.

Nor do they agree on numbers: most read them as doubles. `499.99999999999999999999` is then `500`, and integers
beyond 2^53 run together. Such a number is compared both exactly and as a double; where the two differ, the
condition cannot be evaluated. What `validate` asks for must hold for both.

Some servers parse a text that holds JSON: to them `"[\\"/etc/passwd\\"]"` is a list. Fix the type of every argument
that rules look at, with `validate: {schema: true}` or with `validate: {args: {paths: {type: array}}}`.
"""

_COUNTERS = """\
### What a counter is

A counter is known by the server's name, the tool name or pattern of its entry, the rule's `when`, and the limit's
`window`, `scope`, `per` and `cost`; within these, by whose call it is (`scope`) and the values of `per`. Changing
one of them begins a new counter at zero. `max`, names, reasons and the place in the file are not part of it: they
can be edited, and what was spent stays spent.

Counters of scope `session` live in memory and end with the process, unless the session has a name (`--session`).
Where the others live is told in [limit stores](state.md). The values of `per` count by their exact spelling:
`"usd"`, `"USD"` and `"usd "` are three counters, each with the whole of `max`. Name the values with
`validate: {args: {currency: {enum: [usd, eur]}}}`, or put a limit without `per` beside it.
"""

_EXECUTIONS = """\
What one execution of code may do, for `callgate runner`; `callgate run` and `callgate serve` check this part of a
policy and then pass over it. In the policy of a server it bounds the calls to that server, in the policy that
`runner` names (`policy`) the calls to all servers together, under the names that code calls them by
(`mcp_SERVER_TOOL`). Calls that are answered from the journal, after a worker died, are not counted again. A call
beyond a budget is refused as any other: code gets an exception that it can catch, and the audit a record.

```yaml
per_execution:
  max_calls: 100
  max_denied: 20
  max_seconds: 1h
  tools: {create_*: 5}
grant_secrets: [API_TOKEN]
```

"""

_DENIALS = """\
## What a refused agent gets

A refused call is answered with an ordinary result that has `isError: true`. Its text says why and, where waiting
helps, for how long; a rule's `reason` comes first. Beside it stands the same as data:

| member of `structuredContent` | |
|---|---|
| `code` | a stable [code](errors/README.md), such as `DEN020` |
| `rule` | the rule's `name`, else its entry and line |
| `reason` | the text, without the wait |
| `retry_after` | whole seconds; left out where waiting does not help |

If the tool has an `outputSchema`, the members that it requires are added, as empty as it allows. Where nothing fits
the schema, the data stands in the result's `_meta["callgate/denial"]` instead.
"""

_OTHER_FORMS = """\
## The other forms

Two more forms are read, and mean what they mean to their publisher. A form is told by its keys; a file with keys
of two forms is refused.

**Intercept files** are those of [PolicyLayer's Intercept](https://github.com/PolicyLayer/Intercept). They begin
with `version: "1"`. Their rules state what must hold (`conditions`), and their windows are those of the calendar,
in UTC. Every rule needs a `name`. Names of tools are exact. A counter belongs to everybody, not to a session. A
counter with no bound of its own is counted here as well, so that conditions of other rules can look at it.

**Hosted files** are the JSON policies of [PolicyLayer's hosted service](https://policylayer.com/docs/writing-policies):
`"version": "1"`, and tools that hold `require`, `deny_if` and `limits`. Only the published part of the form is read,
and anything beyond it is refused: every limit needs `counter`, `window`, `max` and
`"scope": "grant"`, and a counter has one limit. A grant is the authenticated identity; over stdio, where there is
none, it is the session. A `deny_if` without conditions always denies.
"""


def reference() -> str:
    """Return the page as Markdown."""
    parts = [
        _INTRODUCTION,
        _section("The file", TOP),
        _section("A tool", TOOL),
        _section("A rule", RULE),
        _paths(),
        _TYPES,
        _section("A rate limit", RATE_LIMIT),
        _windows(),
        _COUNTERS,
        _section("`validate`", VALIDATE),
        _section("`per_execution`", PER_EXECUTION, _EXECUTIONS),
        _DENIALS,
        _OTHER_FORMS,
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
    return text if " " in text or text in ("always", "none") else f"`{text}`"


def _paths() -> str:
    rows = "\n".join(
        f"| `{operator}` | {operand} | {meaning} |" for operator, (operand, meaning) in OPERANDS.items()
    )
    return (
        "## Paths and operators\n\n"
        f"{_PATHS}\n"
        f"| operator | compared with | holds if the value is |\n|---|---|---|\n{rows}\n\n"
        "Regular expressions are RE2: linear in the length of the text, without look-around and back-references.\n"
    )


def _windows() -> str:
    words = ", ".join(f"`{word}`" for word in WORDS)
    return (
        "### Short spellings\n\n"
        "`10/minute` is `{max: 10, window: 60}`; `10/90s` names a window of its own. "
        f"The units after the slash are\n{words}.\n"
    )


if __name__ == "__main__":
    sys.stdout.write(reference())
