"""`callgate policy explain`: says how one call would be judged, rule by rule, without a server or a limit store."""

import argparse
import sys
from typing import Any

from msgspec import Struct

from callgate.cli.console import color_wanted, is_terminal
from callgate.cli.exact_json import parse_exact
from callgate.cli.explain_limits import with_limits
from callgate.cli.explain_render import explain_data, explain_human, explain_plain
from callgate.cli.render import render_human
from callgate.decision import Effect, Request
from callgate.errors import PolicyError, UsageError
from callgate.identity import local_identity
from callgate.policy.compile import compile_policy
from callgate.policy.explain import explain
from callgate.policy.findings import did_you_mean
from callgate.policy.load import load_policy
from callgate.policy.model import Document
from callgate.policy.normalized import normalized, to_json
from callgate.policy.toolschema import ToolSchema
from callgate.policyfile import read_policy_file
from callgate.text import quote

SUMMARY = "say how a call would be judged, and which rule says so"

EXAMPLES = """\
examples:
  callgate policy explain -c policy.yaml create_charge '{"amount": 90000, "currency": "usd"}'
  callgate policy explain -c policy.yaml read_file '{}' --tools tools.json     with the tool's own schema
  callgate policy explain -c policy.yaml --format json read_file - < arguments.json
  callgate policy explain -c policy.yaml deploy '{}' --identity ann --claim 'team="payments"'

Rules that look at `identity`, claims, `server` or `session` need these options to come out as at the gate.
Without --tools, checks that need the tool's own schema are not made, and are told as unknown.
Limits are not looked up: what would be charged is shown, not what is left. A call that alone exceeds one is denied.

exit status: 0 allowed, 1 denied, 2 the command line is not valid, 3 the policy is not
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "-c", "--config", metavar="POLICY", required=True, help="the policy file; `-` is stdin"
    )
    parser.add_argument("tool", metavar="TOOL", help="the tool's name, as the agent would send it")
    parser.add_argument(
        "arguments",
        metavar="JSON",
        nargs="?",
        default="{}",
        help="the arguments, a JSON object; `-` is stdin",
    )
    parser.add_argument(
        "--tools", metavar="FILE", help="an answer to tools/list, for the tool's input schema"
    )
    parser.add_argument(
        "--identity", help="who calls (default: local:USER, you, as `callgate run` over stdio has it)"
    )
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="what the caller's credential says, as rules see it in `identity.NAME`; may be given several times",
    )
    parser.add_argument(
        "--server",
        help="name of the server, as `callgate run` says it (default: the one in --tools, else `server`)",
    )
    parser.add_argument("--session", default="session", help="the agent's session (default: session)")
    parser.add_argument(
        "--format", choices=("human", "plain", "json"), help="how to show it (default: human on a terminal)"
    )
    parser.add_argument(
        "--normalized", action="store_true", help="also print the entries that match, in one form"
    )
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto")


def run(options: argparse.Namespace) -> int:
    """Explain the call on stdout. Returns 0 if the policy allows it, 1 if not, 3 if the policy is not valid."""
    if options.config == "-" and options.arguments == "-":
        raise UsageError(
            "USE003", "stdin can be read only once", "give the policy or the arguments as a file"
        )
    arguments = _read_arguments(options.arguments)
    claims = _read_claims(options.claim)
    listing = _read_tools(options.tools, options.tool) if options.tools else _Listing()
    try:
        name = "stdin" if options.config == "-" else options.config
        document = load_policy(read_policy_file(options.config), name)
    except PolicyError as error:
        sys.stderr.write(render_human(error.diagnostics, color=color_wanted(sys.stderr, options.color)))
        return error.exit_status
    identity = options.identity or local_identity()
    request = Request(
        options.tool,
        arguments,
        options.session,
        identity,
        options.server or listing.server or "server",
        listing.schema,
        # Only a credential has claims, and a credential proves who calls.
        identity if claims else None,
        claims or None,
    )
    policy = compile_policy(document)
    explanation = with_limits(explain(policy, request, check_schema=bool(options.tools)))
    notes = (listing.problem,) if listing.problem else ()
    matching = _matching(document, {rule.tool for rule in explanation.rules}) if options.normalized else None
    look = options.format or ("human" if is_terminal(sys.stdout) else "plain")
    if look == "json":
        data = explain_data(explanation, document, notes=notes)
        if matching is not None:
            data["normalized"] = matching
        sys.stdout.write(to_json(data) + "\n")
    else:
        color = color_wanted(sys.stdout, options.color)
        text = explain_plain(explanation, document, notes=notes)
        if look == "human":
            text = explain_human(explanation, document, color=color, notes=notes)
        sys.stdout.write(text)
        if matching is not None:
            sys.stdout.write(to_json(matching) + "\n")
    return 0 if explanation.effect is Effect.ALLOW and not explanation.hidden else 1


def _read_arguments(text: str) -> dict[str, Any]:
    help = 'write them as one quoted word: \'{"path": "/tmp/x"}\''
    try:
        arguments = parse_exact(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise UsageError("USE020", f"the arguments are not JSON: {error}", help) from None
    if not isinstance(arguments, dict):
        raise UsageError("USE020", "the arguments are not a JSON object", help)
    return arguments


def _read_claims(words: list[str]) -> dict[str, Any]:
    """Return the claims by their names. As in a token, each has one value."""
    claims: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        help = "write a name, `=` and JSON, as one quoted word: 'team=\"payments\"'"
        if not sign or not name:
            raise UsageError("USE022", f"{quote(word)} is not a claim", help)
        if name in claims:
            raise UsageError("USE022", f"the claim {quote(name)} is given twice", "give it once")
        try:
            claims[name] = parse_exact(text)
        except ValueError as error:
            raise UsageError("USE022", f"the claim {quote(name)} is not JSON: {error}", help) from None
    return claims


class _Listing(Struct, frozen=True):
    """What a list of tools says: the server's name, the tool's schema, or why it gives none."""

    server: str | None = None
    schema: ToolSchema | None = None
    problem: str | None = None


def _read_tools(path: str, tool: str) -> _Listing:
    """Return what the file says of `tool`; a schema only if it is listed just once, as the gate sees it."""
    try:
        with open(path, "rb") as file:
            data = parse_exact(file.read().decode())
    except OSError as error:
        raise _bad_tools(path, error.strerror or "it cannot be read") from None
    except ValueError as error:
        raise _bad_tools(path, str(error)) from None
    server = data.get("server") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(data.get("result"), dict):
        data = data["result"]
    tools = data.get("tools") if isinstance(data, dict) else data
    if not isinstance(tools, list):
        raise _bad_tools(path, "it holds no list of tools")
    server = server if isinstance(server, str) else None
    named = [each for each in tools if isinstance(each, dict) and isinstance(each.get("name"), str)]
    schemas = [each.get("inputSchema") for each in named if each["name"] == tool]
    listed = f"{quote(path, 200)} lists {quote(tool)}"
    if not schemas:
        guess = did_you_mean(tool, (each["name"] for each in named))
        near = f": {guess}" if guess else ""
        return _Listing(server, problem=f"{quote(path, 200)} does not list {quote(tool)}{near}")
    if len(schemas) > 1:
        return _Listing(server, problem=f"{listed} {len(schemas)} times, so none counts")
    if not isinstance(schemas[0], dict):
        return _Listing(server, problem=f"{listed} without an input schema")
    return _Listing(server, ToolSchema(schemas[0]))


def _bad_tools(path: str, why: str) -> UsageError:
    return UsageError(
        "USE021", f"cannot use {quote(path, 200)}: {why}", "give the answer of the server to tools/list"
    )


def _matching(document: Document, patterns: set[str]) -> dict[str, Any]:
    """The policy without the entries that do not match the call."""
    data = normalized(document)
    data["tools"] = [tool for tool in data["tools"] if tool["tool"] in patterns]
    return data
