"""Pages for the codes of tool calls that scripts make: what came instead of a value."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "RUN080": CodePage(
        "the tool asks back",
        "The tool wants something from a person (a question, a choice, a model's opinion) before it answers. A script "
        "has nobody to ask, so the call ends here. What the tool has done until then is done.",
        "Call this tool directly, from where a person can be asked, or give it arguments that leave nothing open.",
    ),
    "RUN081": CodePage(
        "an answer that cannot be passed on",
        "The tool answered, but the answer is larger than 16 MiB, nested deeper than 100 levels, holds a number that "
        "is none (NaN, Infinity) or text that is not Unicode, or is the start of a task. The call has taken effect.",
        "Ask for less at a time. If the answer is small, report it to the server's author.",
    ),
    "RUN082": CodePage(
        "the server answered with an error",
        "The server refused the call or failed in it, and answered with a JSON-RPC error; the message repeats what it "
        "said. Whether the call took effect is for the server to say.",
        "Check the arguments against the tool's schema, which `getToolDetails` shows.",
    ),
    "RUN083": CodePage(
        "the tool says that it failed",
        "The call was made, and the tool answered that it failed; the message is the tool's own.",
        "Catch the exception in the script if it can go on without this call.",
    ),
}
"""Code → its page."""
