"""The fixture's resources, prompts and completion."""

import json
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from tests.conformance import fixture_rounds
from tests.conformance.fixture_tools import PIXEL, Context, embedded, image

RESOURCES = [
    types.Resource(uri="test://static-text", name="static-text", mime_type="text/plain"),
    types.Resource(uri="test://static-binary", name="static-binary", mime_type="image/png"),
    types.Resource(uri="test://watched-resource", name="watched-resource", mime_type="text/plain"),
]
TEMPLATES = [
    types.ResourceTemplate(
        uri_template="test://template/{id}/data", name="template", mime_type="application/json"
    )
]


async def list_resources(_context: Context, _params: Any) -> types.ListResourcesResult:
    """`resources/list`."""
    return types.ListResourcesResult(resources=RESOURCES)


async def list_templates(_context: Context, _params: Any) -> types.ListResourceTemplatesResult:
    """`resources/templates/list`."""
    return types.ListResourceTemplatesResult(resource_templates=TEMPLATES)


async def read_resource(
    _context: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    """`resources/read`."""
    uri = str(params.uri)
    content: types.TextResourceContents | types.BlobResourceContents
    if uri == "test://static-binary":
        content = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PIXEL)
    elif uri in ("test://static-text", "test://watched-resource"):
        content = types.TextResourceContents(uri=uri, mime_type="text/plain", text=f"Content of {uri}")
    elif uri.startswith("test://template/") and uri.endswith("/data"):
        text = json.dumps({"id": uri.removeprefix("test://template/").removesuffix("/data")})
        content = types.TextResourceContents(uri=uri, mime_type="application/json", text=text)
    else:
        raise MCPError(types.INVALID_PARAMS, "no such resource", {"uri": uri})
    return types.ReadResourceResult(contents=[content])


async def accepted(_context: Context, _params: Any) -> types.EmptyResult:
    """`resources/subscribe`, `resources/unsubscribe` and `logging/setLevel`: nothing ever changes."""
    return types.EmptyResult()


def _argument(name: str) -> types.PromptArgument:
    return types.PromptArgument(name=name, required=True)


PROMPTS = [
    types.Prompt(name="test_simple_prompt", description="No arguments."),
    types.Prompt(
        name="test_prompt_with_arguments",
        description="Two arguments.",
        arguments=[_argument("arg1"), _argument("arg2")],
    ),
    types.Prompt(
        name="test_prompt_with_embedded_resource",
        description="Holds a resource.",
        arguments=[_argument("resourceUri")],
    ),
    types.Prompt(name="test_prompt_with_image", description="Holds an image."),
    fixture_rounds.PROMPT,
]


async def list_prompts(_context: Context, _params: Any) -> types.ListPromptsResult:
    """`prompts/list`."""
    return types.ListPromptsResult(prompts=PROMPTS)


async def get_prompt(
    _context: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | dict[str, Any]:
    """`prompts/get`."""
    given = params.arguments or {}
    content: types.ContentBlock
    match params.name:
        case "test_simple_prompt":
            content = types.TextContent(type="text", text="A prompt without arguments.")
        case "test_prompt_with_arguments":
            text = f"arg1={given.get('arg1')} arg2={given.get('arg2')}"
            content = types.TextContent(type="text", text=text)
        case "test_prompt_with_embedded_resource":
            content = embedded(str(given.get("resourceUri")), "embedded in a prompt")
        case "test_prompt_with_image":
            content = image()
        case fixture_rounds.PROMPT.name:
            return await fixture_rounds.render_prompt(params)
        case _:
            raise MCPError(types.INVALID_PARAMS, "no such prompt")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


async def complete(_context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    """`completion/complete`."""
    values = [params.argument.value + ending for ending in ("a", "b")]
    return types.CompleteResult(completion=types.Completion(values=values, total=2, has_more=False))
