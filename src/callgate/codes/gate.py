"""Pages for the codes of the gate itself: the command line, the server process, the session, the self-test."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "USE001": CodePage(
        "unknown command",
        "The first words of the command line name no command of Callgate.",
        "Run `callgate --help` for the list. The message names the closest command if one is close.",
    ),
    "USE002": CodePage(
        "wrong option or argument",
        "An option is unknown, lacks its value, or has a value that is not one of those allowed.",
        "Run the command with `--help`. Options of the server go behind `--`, options of Callgate before it.",
    ),
    "USE003": CodePage(
        "no server to guard",
        "`callgate run` guards a server that it starts itself or reaches over HTTP, and was not told which.",
        "Put the server's command behind `--`: `callgate run -c policy.yaml -- npx -y SERVER`. Or give its URL with "
        "`--upstream`.",
    ),
    "USE005": CodePage(
        "two servers to guard",
        "`callgate run` guards one server, and was given both a URL with `--upstream` and a command behind `--`.",
        "Give one of them.",
    ),
    "USE004": CodePage(
        "unusable session id",
        "The session id becomes part of counters and audit records, so it must be short and printable.",
        "Give `--session` 1 to 200 printable characters, or leave it out for a session of this process alone.",
    ),
    "UPS001": CodePage(
        "the server cannot be started",
        "The command behind `--` was not found or could not be executed. Nothing was forwarded.",
        "Run the same command in a shell. It is looked up in PATH and gets its arguments as they are, without a "
        "shell: quotes, `~`, variables and pipes are not expanded.",
    ),
    "UPS003": CodePage(
        "the server ended",
        "The server ended while requests waited for its answer. Each of them is answered with this error. Calls "
        "that were under way count as made: whether they took effect is not known.",
        "Look at the server's own messages on stderr. Restart the client's connection.",
    ),
    "WIR050": CodePage(
        "method not let through",
        "The method is not one of MCP's, so it could be another way to run a tool, and no policy rule would see it.",
        "If the server needs it and it runs no tool, name it under `allow_methods` in the policy.",
    ),
    "WIR051": CodePage(
        "request id in use",
        "The id belongs to a request that is not yet answered, to a call that was cancelled, or to a request of the "
        "gate's own. An answer to one could be taken for the answer to the other.",
        "Use a new id for every request, as MCP requires.",
    ),
    "WIR052": CodePage(
        "too many open requests",
        "10,000 requests of this connection wait for the server's answer. The gate remembers each, so there is a "
        "bound.",
        "Wait for answers before asking more, or cancel what is no longer wanted.",
    ),
    "WIR053": CodePage(
        "the server's frame is too large",
        "The server sent one message of more than 64 MiB. It was not passed on; the request it answers gets this "
        "error.",
        "Ask the server for less at a time.",
    ),
    "WIR054": CodePage(
        "the list of tools cannot be read",
        "The policy hides tools, and the server's answer to tools/list is not a list the gate can read. Passed on, "
        "it might show what must stay hidden.",
        "Report it to the server's author; a server that answers tools/list as MCP says does not cause this.",
    ),
    "WIR055": CodePage(
        "the server's line is no message",
        "The server wrote a line that some readers would take for an answer and others not, or that holds carriage "
        "returns and could stand for several messages. It was not passed on.",
        "Report it to the server's author. Programs that print progress to stdout do this: they must use stderr.",
    ),
    "WIR056": CodePage(
        "an answer before the call",
        "The server answered a call that still waits in the gate for the tool's schema. It cannot know that call, so "
        "the answer was dropped; the call goes on.",
        "Report it to the server's author: an answer must have the id of a request that the server got.",
    ),
    "SELF001": CodePage(
        "the self-test failed",
        "At every start, and with every changed policy, the gate judges a call that it must deny. That call was not "
        "denied, so the gate does not run, or keeps the policy it had.",
        "Reinstall Callgate. If it happens again, report it with the policy file.",
    ),
    "BUG001": CodePage(
        "a defect of Callgate",
        "Something happened that the program did not expect. Before a server is started nothing was forwarded.",
        "Set CALLGATE_TRACEBACK=1, run the command again, and report what it prints.",
    ),
}
