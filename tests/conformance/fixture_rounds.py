"""The fixture's tools and its prompt that need more than one round: they answer with questions (2026-07-28)."""

import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from tests.conformance.fixture_tools import Answer, Context, Tool, Work, declared, said, tool

Params = types.CallToolRequestParams | types.GetPromptRequestParams


def question(message: str, field: str, kind: str = "string") -> dict[str, Any]:
    """A form with one field for the person."""
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def prompt(text: str) -> dict[str, Any]:
    """A question for the model."""
    message = {"role": "user", "content": {"type": "text", "text": text}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 100}}


ROOTS: dict[str, Any] = {"method": "roots/list", "params": {}}


def ask(requests: Mapping[str, Any], state: str | None = None) -> dict[str, Any]:
    """The result that asks."""
    result: dict[str, Any] = {"resultType": "input_required", "inputRequests": dict(requests)}
    if state is not None:
        result["requestState"] = state
    return result


def given(params: Params, *keys: str) -> bool:
    """Whether the client has answered all of these."""
    return set(keys) <= set(params.input_responses or {})


def field(params: Params, key: str, name: str) -> str:
    """What the person wrote."""
    answer = (params.input_responses or {}).get(key)
    return str((answer.content or {}).get(name)) if isinstance(answer, types.ElicitResult) else "nobody"


def one_round(requests: dict[str, Any], state: str | None = None) -> Work:
    """A tool that asks once and then says what it was told."""

    async def work(_context: Context, params: types.CallToolRequestParams) -> Answer:
        known = state is None or params.request_state == state
        if known and given(params, *requests):
            heard = {
                key: answer.model_dump(mode="json") for key, answer in (params.input_responses or {}).items()
            }
            return said(json.dumps({key: heard[key] for key in requests}, sort_keys=True))
        return ask(requests, state)

    return work


async def name_first(_context: Context, params: types.CallToolRequestParams) -> Answer:
    if given(params, "user_name"):
        return said(f"Hello, {field(params, 'user_name', 'name')}!")
    return ask({"user_name": question("What is your name?", "name")})


async def three_rounds(_context: Context, params: types.CallToolRequestParams) -> Answer:
    state: dict[str, str] = json.loads(params.request_state or "{}")
    if "name" in state and given(params, "step2"):
        return said(f"{state['name']} likes {field(params, 'step2', 'color')}.")
    if state.get("round") == "1" and given(params, "step1"):
        state = {"round": "2", "name": field(params, "step1", "name")}
        return ask({"step2": question("What is your favorite color?", "color")}, json.dumps(state))
    return ask({"step1": question("What is your name?", "name")}, json.dumps({"round": "1"}))


async def what_the_client_can(context: Context, _params: types.CallToolRequestParams) -> Answer:
    requests = {}
    if declared(context).sampling is not None:
        requests["model"] = prompt("Say hello")
    if declared(context).elicitation is not None:
        requests["person"] = question("What is your name?", "name")
    return ask(requests, "asked")


async def question_on_stream(context: Context, params: types.CallToolRequestParams) -> Answer:
    await context.session.report_progress(1, 2)
    return await name_first(context, params)


CONFIRM = {"confirm": question("Please confirm.", "ok", "boolean")}
EVERYTHING = {
    "user_name": question("What is your name?", "name"),
    "greeting": prompt("Generate a greeting"),
    "client_roots": ROOTS,
}
PREFIX = "test_input_required_result_"

TOOLS: tuple[Tool, ...] = (
    tool(f"{PREFIX}elicitation", "Asks the person.", name_first),
    tool(
        f"{PREFIX}sampling",
        "Asks the model.",
        one_round({"capital_question": prompt("What is the capital of France?")}),
    ),
    tool(f"{PREFIX}list_roots", "Asks for folders.", one_round({"client_roots": ROOTS})),
    tool(f"{PREFIX}request_state", "Asks with a state.", one_round(CONFIRM, "first")),
    tool(f"{PREFIX}tampered_state", "Asks with a state.", one_round(CONFIRM, "sealed")),
    tool(f"{PREFIX}multiple_inputs", "Asks for everything.", one_round(EVERYTHING, "everything")),
    tool(f"{PREFIX}multi_round", "Asks twice.", three_rounds),
    tool(f"{PREFIX}capabilities", "Asks what the client can answer.", what_the_client_can),
    tool("test_streaming_elicitation", "Asks after it has begun.", question_on_stream),
)

PROMPT = types.Prompt(name=f"{PREFIX}prompt", description="Asks the person.")


async def render_prompt(params: types.GetPromptRequestParams) -> types.GetPromptResult | dict[str, Any]:
    """The prompt that needs an answer first."""
    if not given(params, "user_context"):
        return ask({"user_context": question("What context should the prompt use?", "context")})
    text = types.TextContent(type="text", text=f"Context: {field(params, 'user_context', 'context')}")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=text)])
