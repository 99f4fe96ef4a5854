"""The client that the official conformance suite starts: the official SDK's, driven as each scenario wants it.

    python -m tests.conformance.client [--through POLICY] URL

Without `--through` it speaks HTTP to URL itself; with it, stdio to `callgate run -c POLICY --upstream URL`. The
suite says in environment variables which scenario and which revision it is about.
"""

import argparse
import functools
import json
import os
import sys
from typing import Any

import anyio
import mcp_types as types
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.support.real_traffic import list_everything, sample, settle

SCENARIO = os.environ["MCP_CONFORMANCE_SCENARIO"]
MODERN = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"] >= "2026-07-28"

# The suite's server for this one knows the handshake only, whatever the revision.
HANDSHAKE_ONLY = {"json-schema-ref-no-deref"}

CALLS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "tools_call": [("add_numbers", {"a": 5, "b": 3})],
    "request-metadata": [("add_numbers", {"a": 5, "b": 3})],
    "sse-retry": [("test_reconnection", {})],
    "elicitation-sep1034-client-defaults": [("test_client_elicitation_defaults", {})],
    "http-standard-headers": [("test_headers", {}), ("my-hyphenated-tool", {})],
    "sep-2322-client-request-state": [
        ("test_mrtr_echo_state", {}),
        ("test_mrtr_unrelated", {}),
        ("test_mrtr_no_state", {}),
        ("test_mrtr_no_result_type", {}),
    ],
}

SAMPLES: dict[str, Any] = {
    "integer": 0,
    "number": 0,
    "boolean": False,
    "object": {},
    "array": [],
    "null": None,
}


async def elicit(_context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    """A person who keeps what is filled in and says yes to the rest."""
    content: dict[str, str | int | float | bool | list[str] | None] = {}
    if isinstance(params, types.ElicitRequestFormParams):
        for name, schema in params.requested_schema.get("properties", {}).items():
            if "default" in schema:
                content[name] = schema["default"]
            elif schema.get("type") == "boolean":
                content[name] = True
    return types.ElicitResult(action="accept", content=content)


async def no_roots(_context: Any) -> types.ListRootsResult:
    """A client with folders, of which it has none."""
    return types.ListRootsResult(roots=[])


def minimal(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments for what the schema requires."""
    properties = schema.get("properties", {})
    return {name: SAMPLES.get(properties[name].get("type"), "x") for name in schema.get("required", [])}


async def drive(client: Client, *, over_stdio: bool) -> None:
    """What the scenario is about."""
    tools = (await client.list_tools()).tools
    calls = CALLS.get(SCENARIO, [])
    match SCENARIO:
        case "http-custom-headers":
            wanted = json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])["toolCalls"]
            calls = [(call["name"], call["arguments"]) for call in wanted]
        case "http-invalid-tool-headers":
            if over_stdio:
                # The SDK leaves such tools out whatever the transport. Not every agent on stdio does, and has to.
                tools = (
                    await client.session.send_request(types.ListToolsRequest(), types.ListToolsResult)
                ).tools
            calls = [(tool.name, minimal(tool.input_schema)) for tool in tools]
        case "json-schema-2020-12-preservation":
            seen = next(tool for tool in tools if tool.name == "json_schema_2020_12_tool")
            calls = [("json_schema_echo", {"schema": seen.input_schema})]
        case "http-standard-headers":
            await list_everything(client)
            for resource in (await client.list_resources()).resources:
                await settle(functools.partial(client.read_resource, resource.uri))
            for prompt in (await client.list_prompts()).prompts:
                await settle(functools.partial(client.get_prompt, prompt.name))
    for name, arguments in calls:
        try:
            await client.call_tool(name, arguments)
        except (MCPError, RuntimeError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)


async def main() -> None:
    """Connect, drive, leave in order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--through", metavar="POLICY")
    parser.add_argument("url")
    options = parser.parse_args()
    transport: Any = options.url
    if options.through:
        words = ["-m", "callgate", "run", "-c", options.through, "--upstream", options.url]
        transport = stdio_client(
            StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))
        )
    callbacks: dict[str, Any] = {"elicitation_callback": elicit}
    if SCENARIO == "request-metadata":
        callbacks |= {"sampling_callback": sample, "list_roots_callback": no_roots}
    mode = "auto" if MODERN and SCENARIO not in HANDSHAKE_ONLY else "legacy"
    async with Client(transport, mode=mode, **callbacks) as client:
        await drive(client, over_stdio=bool(options.through))


if __name__ == "__main__":
    anyio.run(main)
