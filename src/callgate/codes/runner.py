"""Codes of the runner: calls that its server refuses, and executions that are not accepted."""

from callgate.codes.page import CodePage

_SERVER: dict[str, CodePage] = {
    "RUN001": CodePage(
        "An argument that the tool does not have",
        "The call has an argument that is not one of the tool's. Nothing ran: an argument that is left out of "
        "account silently could be the one that mattered.",
        "Use the names of the tool's input schema; the answer suggests the nearest.",
    ),
    "RUN002": CodePage(
        "An argument is missing",
        "The tool needs this argument.",
        "Give it.",
    ),
    "RUN003": CodePage(
        "An argument of another type",
        "The argument at this place must be of another type. Nothing is converted.",
        "Give it as the tool's input schema has it: numbers without quotes, lists as lists.",
    ),
    "RUN004": CodePage(
        "An argument out of its bounds",
        "The argument is too long, too large, too small or not of the form that the tool takes. A script may have "
        "1 MiB, `input_vars` 4 MiB as JSON; the `timeout` of `executeCode` is 30 to 300 seconds.",
        "Stay within the bound that the answer names. For longer runs use `asyncExecuteCode`; let the script fetch "
        "large data itself.",
    ),
    "RUN005": CodePage(
        "A value that cannot be passed on as it is",
        "A number that is not finite or has more than 64 bits, half of a surrogate pair in a text, or nesting "
        "deeper than 64: it would not reach the script as it was given.",
        "Pass such a value as a text, and convert it in the script.",
    ),
    "RUN006": CodePage(
        "No such execution",
        "There is no execution with this UUID, it was removed after the time that the operator keeps them, or "
        "somebody else began it. The three are answered alike.",
        "Ask with the credential (over HTTP without authentication: in the session) that began it.",
    ),
    "RUN007": CodePage(
        "No such tool",
        "The runner has no tool of this name. Functions that scripts call (`mcp_…`) are no tools of the runner.",
        "Use a name of `tools/list`; call `mcp_…` functions from inside a script.",
    ),
    "RUN008": CodePage(
        "Executions cannot be listed here",
        "The runner is reached over HTTP without authentication, and 2026-07-28 has no sessions: everybody would be "
        "shown everybody's executions. Whoever has an execution's UUID can still look at it.",
        "Keep the UUIDs, or configure `auth` for the listener.",
    ),
    "RUN009": CodePage(
        "A session id that could be guessed",
        "Where callers cannot be told apart, whoever knows a `session_id` can read the variables of its runs.",
        "Use a random UUID as `session_id`, or configure `auth` for the listener.",
    ),
    "RUN010": CodePage(
        "The runner cannot answer at the moment",
        "The journal, or another part that the runner needs, does not answer. The runner's log says why.",
        "Try again later. For the operator: look for the code in the log just before.",
    ),
    "RUN011": CodePage(
        "The runner failed at a call",
        "Something went wrong inside the runner that it does not foresee. The log has the details.",
        "Report what the log says.",
    ),
    "RUN012": CodePage(
        "A caller's name that cannot be used",
        "`CALLGATE_IDENTITY`, `CALLGATE_SESSION`, `Callgate-Identity`, `Callgate-Session` or `Mcp-Session-Id` stands "
        "twice, is empty, too long or holds characters that are not printable.",
        "Let the gate before the runner set it; no client needs to.",
    ),
    "RUN013": CodePage(
        "A caller that may not speak for others",
        "The request says on whose behalf it is made, and comes from an identity that is not one of the operator's "
        "`trusted_gates`. If it were taken as the gate's own, all callers of that gate would see each other's "
        "executions.",
        "Add the gate's identity to `trusted_gates`; a client must not send `Callgate-Identity`.",
    ),
    "RUN014": CodePage(
        "A message over stdio that is too long",
        "A line has more than 16 MiB. It cannot be answered, so the conversation ends.",
        "Send smaller messages: a script may have 1 MiB, `input_vars` 4 MiB.",
    ),
    "RUN015": CodePage(
        "The runner would execute code for anyone",
        "The listener can be reached from other machines, and nobody is asked who they are.",
        "Configure `auth`, or listen on a loopback address. `allow_unauthenticated: true` is your word that everybody "
        "who can reach the address may run code.",
    ),
    "RUN016": CodePage(
        "The runner cannot listen",
        "The address or port cannot be listened on: in use, not of this machine, or not allowed.",
        "Choose another port, or end what uses it.",
    ),
}

CODES: dict[str, CodePage] = {**_SERVER}
