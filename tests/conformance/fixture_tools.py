"""The fixture's tools that answer in one go, or that ask the client over the connection of the session eras.

What each must do is what the suite's scenarios of the same names look for.
"""

import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from msgspec import Struct

Context = ServerRequestContext[Any, Any]
Answer = types.CallToolResult | dict[str, Any]
Work = Callable[[Context, types.CallToolRequestParams], Awaitable[Answer]]

# Logging and sampling go from the specification, not yet from the suite.
warnings.simplefilter("ignore", MCPDeprecationWarning)

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
STEP_SECONDS = 0.02

bus = InMemorySubscriptionBus()
"""Where changes of lists are announced to the streams that listen."""


class Tool(Struct, frozen=True):
    """What `tools/list` says and what `tools/call` does."""

    definition: types.Tool
    work: Work


def no_arguments() -> dict[str, Any]:
    """The schema of a tool that takes nothing."""
    return {"type": "object", "properties": {}}


def takes(*names: str) -> dict[str, Any]:
    """The schema of a tool that takes texts, all required."""
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": list(names),
    }


def tool(name: str, description: str, work: Work, schema: dict[str, Any] | None = None) -> Tool:
    """One entry of the table."""
    definition = types.Tool(name=name, description=description, input_schema=schema or no_arguments())
    return Tool(definition, work)


def said(*content: types.ContentBlock | str, is_error: bool = False) -> types.CallToolResult:
    """A finished result; a text stands for a block of text."""
    blocks = [types.TextContent(type="text", text=c) if isinstance(c, str) else c for c in content]
    return types.CallToolResult(content=list(blocks), is_error=is_error)


def always(*content: types.ContentBlock | str, is_error: bool = False) -> Work:
    """A tool that always says the same."""

    async def work(_context: Context, _params: types.CallToolRequestParams) -> Answer:
        return said(*content, is_error=is_error)

    return work


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> types.EmbeddedResource:
    """A resource inside of a result."""
    resource = types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return types.EmbeddedResource(type="resource", resource=resource)


def image() -> types.ImageContent:
    """One pixel."""
    return types.ImageContent(type="image", data=PIXEL, mime_type="image/png")


def arguments(params: types.CallToolRequestParams) -> dict[str, Any]:
    """What the tool was called with."""
    return dict(params.arguments or {})


def declared(context: Context) -> types.ClientCapabilities:
    """What the client says that it can do."""
    return context.session.client_capabilities or types.ClientCapabilities()


async def progress(context: Context, _params: types.CallToolRequestParams) -> Answer:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100, f"{done} of 100")
        await anyio.sleep(STEP_SECONDS)
    return said("reported three times")


async def logging(context: Context, _params: types.CallToolRequestParams) -> Answer:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", line, related_request_id=context.request_id)
        await anyio.sleep(STEP_SECONDS)
    return said("logged three lines")


async def sampling(context: Context, params: types.CallToolRequestParams) -> Answer:
    question = types.TextContent(type="text", text=str(arguments(params)["prompt"]))
    answer = await context.session.create_message(
        messages=[types.SamplingMessage(role="user", content=question)],
        max_tokens=100,
        related_request_id=context.request_id,
    )
    content = answer.content
    return said(f"LLM response: {content.text if isinstance(content, types.TextContent) else '?'}")


async def _asked(context: Context, message: str, schema: dict[str, Any]) -> Answer:
    answer = await context.session.elicit_form(message, schema, related_request_id=context.request_id)
    return said(f"User response: {answer.action} {answer.content}")


async def elicitation(context: Context, params: types.CallToolRequestParams) -> Answer:
    return await _asked(context, str(arguments(params)["message"]), takes("username", "email"))


DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}

ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["one", "two", "three"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [{"const": "one", "title": "The first"}, {"const": "two", "title": "The second"}],
        },
        "legacyEnum": {"type": "string", "enum": ["one", "two"], "enumNames": ["The first", "The second"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["one", "two", "three"]}},
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [{"const": "one", "title": "The first"}, {"const": "two", "title": "The second"}]
            },
        },
    },
}


async def defaults(context: Context, _params: types.CallToolRequestParams) -> Answer:
    return await _asked(context, "Keep what is filled in.", DEFAULTS)


async def enums(context: Context, _params: types.CallToolRequestParams) -> Answer:
    return await _asked(context, "Choose.", ENUMS)


async def reconnection(context: Context, _params: types.CallToolRequestParams) -> Answer:
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await anyio.sleep(5 * STEP_SECONDS)
    return said("finished after the stream had been closed")


async def missing_capability(context: Context, _params: types.CallToolRequestParams) -> Answer:
    if declared(context).sampling is None:
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "this tool needs sampling",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return said("sampling is there")


async def tool_change(context: Context, _params: types.CallToolRequestParams) -> Answer:
    await bus.publish(ToolsListChanged())
    return said("announced")


async def prompt_change(context: Context, _params: types.CallToolRequestParams) -> Answer:
    await bus.publish(PromptsListChanged())
    return said("announced")


async def region(_context: Context, params: types.CallToolRequestParams) -> Answer:
    return said(f"region {arguments(params).get('region')}")


REGION = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}

WHOLE_VOCABULARY = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {"$anchor": "addressDef", "type": "object", "properties": {"city": {"type": "string"}}}
    },
    "properties": {"address": {"$ref": "#/$defs/address"}, "phone": {"type": "string"}},
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["address"]}]}],
    "if": {"required": ["address"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["phone"]},
    "additionalProperties": False,
}

MIXED = (
    "text first",
    image(),
    embedded("test://mixed-content-resource", '{"mixed": true}', "application/json"),
)

# The first must run without arguments: the suite calls whatever is first.
TOOLS = (
    tool("test_simple_text", "One text.", always("This is a simple text response for testing.")),
    tool("test_image_content", "One image.", always(image())),
    tool(
        "test_audio_content",
        "One sound.",
        always(types.AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")),
    ),
    tool("test_embedded_resource", "One resource.", always(embedded("test://embedded-resource", "embedded"))),
    tool("test_multiple_content_types", "Text, image and resource.", always(*MIXED)),
    tool("test_error_handling", "Fails.", always("This tool always fails.", is_error=True)),
    tool("test_tool_with_progress", "Says how far it is.", progress),
    tool("test_tool_with_logging", "Writes log messages.", logging),
    tool("test_logging_tool", "Writes log messages.", logging),
    tool("test_sampling", "Asks the model of the client.", sampling, takes("prompt")),
    tool("test_elicitation", "Asks the person.", elicitation, takes("message")),
    tool("test_elicitation_sep1034_defaults", "Asks with defaults.", defaults),
    tool("test_elicitation_sep1330_enums", "Asks with choices.", enums),
    tool("test_reconnection", "Closes its stream half-way.", reconnection),
    tool("test_missing_capability", "Needs sampling.", missing_capability),
    tool("test_trigger_tool_change", "Announces a change of the tools.", tool_change),
    tool("test_trigger_prompt_change", "Announces a change of the prompts.", prompt_change),
    tool("test_x_mcp_header", "Has a parameter that stands in a header.", region, REGION),
    tool("json_schema_2020_12_tool", "Has a wide schema.", always("valid"), WHOLE_VOCABULARY),
)
