"""Pages for the codes of servers behind the gate: over HTTP (020 …) and as children over stdio (040 …)."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "UPS020": CodePage(
        "the server cannot be reached",
        "No connection to the server could be made: its name does not resolve, nothing listens there, or a network or "
        "firewall stands between. The request has not left the gate, and what it had spent was given back.",
        "Check the URL, and try it with `curl` from the same machine. The gate uses no HTTP proxy.",
    ),
    "UPS021": CodePage(
        "no secure connection to the server",
        "The server's certificate is not signed by a known authority, has expired or is for another name, or the "
        "server does not speak TLS at this port. The request has not left the gate.",
        "Use the name that the certificate is for. For authorities of your own, give their certificates as `ca_file` "
        "(callgate.yaml) or in the environment variable SSL_CERT_FILE. The check cannot be turned off.",
    ),
    "UPS022": CodePage(
        "the server took too long",
        "No connection could be made in time, no answer began in time, or one that had begun did not go on. Unless "
        "the connection was never made, whether the call took effect is not known, and it counts as made.",
        "Look at the server. For slow tools raise `timeout` in callgate.yaml; it runs until the answer begins.",
    ),
    "UPS023": CodePage(
        "the server broke off",
        "The connection ended before the answer was complete. A call may or may not have taken effect: it is not "
        "sent again, and counts as made.",
        "Look at the server's log; it may have been restarted. Before calling again, check what the call has done.",
    ),
    "UPS024": CodePage(
        "the server's answer cannot be read",
        "The answer breaks the rules of HTTP, holds something that is not JSON, or could be read in two ways. Such "
        "answers are refused as a whole: guessing what they mean is how smuggled messages get through.",
        "Report it to the server's author, or to whoever runs the proxy in front of it.",
    ),
    "UPS025": CodePage(
        "the message is too large",
        "The request is larger than `max_request`, or the answer or one of its parts larger than `max_response` or "
        "than what headers may be. What did not fit was not passed on.",
        "Ask for less at a time, or raise the bound in callgate.yaml.",
    ),
    "UPS026": CodePage(
        "too many requests to the server at once",
        "As many requests as `max_in_flight` allows wait for this server already. The request was not sent.",
        "Wait for answers before asking more, or raise the bound in callgate.yaml if the server can take it.",
    ),
    "UPS027": CodePage(
        "the server's answer is no MCP",
        "The answer is neither `application/json` nor `text/event-stream`, or it is compressed although nobody asked "
        "for that. Often it is a web page: the URL leads somewhere else than to the MCP endpoint.",
        "Check the path of the URL; it often ends in `/mcp`.",
    ),
    "UPS028": CodePage(
        "the server sends elsewhere",
        "The server answers with a redirect. Following it could carry arguments and credentials to somebody else.",
        "Give the gate the URL where the server really is. Often only a `/` at the end is missing or too many.",
    ),
    "UPS029": CodePage(
        "the server lost the session",
        "The server does not know the session any more: it was restarted, or ended the session as idle. What the "
        "session held is gone, so the gate does not quietly begin another one.",
        "Restart the client's connection. It begins a new session with `initialize`.",
    ),
    "UPS030": CodePage(
        "unusable URL",
        "The URL of a server must be absolute, begin with `http://` or `https://`, and hold no user name, password or "
        "fragment.",
        "Correct the URL. Credentials belong into a header.",
    ),
    "UPS031": CodePage(
        "unreadable authorities",
        "The file with the certificates of the authorities that servers are checked against cannot be read, or holds "
        "none.",
        "Name a file in PEM format that the gate may read.",
    ),
    "UPS032": CodePage(
        "not fit for a header",
        "The protocol version that the client names, the session id or the trace context holds characters that no "
        "HTTP header can carry. The frame was not sent.",
        "Report it to the client's author: the values are given by the specification.",
    ),
    "UPS033": CodePage(
        "no answer to the request",
        "The server closed its answer without the response to the request. A call may or may not have taken effect, "
        "and counts as made.",
        "Look at the server's log.",
    ),
    "UPS034": CodePage(
        "the server refused with a status",
        "The server answered with an HTTP error and without a JSON-RPC error that says more. 401 and 403 mean that "
        "the credentials are missing or wrong; 404 and 405 that the URL is not that of an MCP endpoint.",
        "Check the URL and the credentials (`--header`). For 5xx look at the server's log.",
    ),
    "UPS035": CodePage(
        "unusable header",
        "`--header` wants `Name: value`, with a name that is made of letters, digits and `-`, and a value in one "
        "line. Headers that the gate itself writes, such as Host or Mcp-Session-Id, cannot be set.",
        "Write it as in `--header 'Authorization: env:TOKEN'`; `env:NAME` takes the value from the environment, and "
        "`file:PATH` from a file, so that it shows in no list of processes.",
    ),
    "UPS040": CodePage(
        "the server's command cannot be started",
        "The `command` of a server in callgate.yaml was not found, could not be executed, or its `cwd` is not there, "
        "or the machine has no processes or file descriptors left. The frame has not reached anybody, and what it had"
        " spent was given back.",
        "Run the command in a shell, as the gate's user and in the same directory. It is looked up in the gate's PATH"
        " and gets its arguments as they are: no quotes, `~`, variables or pipes are expanded.",
    ),
    "UPS041": CodePage(
        "the server's process ended",
        "The process that served this session ended, or closed its output, while a request waited. Calls that it had "
        "been sent count as made: whether they took effect is not known. The session is over; the next one gets a new "
        "process.",
        "Look at the gate's log: it has the exit status and what the server wrote to its stderr.",
    ),
    "UPS042": CodePage(
        "the server did not answer in time",
        "The server has neither answered nor reported progress within `timeout`. In 2026-07-28 it was told that the "
        "request is cancelled. Whether the call takes effect is not known, and it counts as made.",
        "Raise the server's `timeout` in callgate.yaml if its tools are slow; it runs until the first sign of life.",
    ),
    "UPS043": CodePage(
        "the server's answer is too large",
        "The server wrote a message longer than `max_response`. It was not kept and not passed on. The call has run.",
        "Ask the server for less at a time, or raise `max_response` in callgate.yaml.",
    ),
    "UPS044": CodePage(
        "the server's answer is no response",
        "The server wrote a line that seems to answer a request but is not a JSON-RPC response that all readers "
        "understand in the same way: a number that is not JSON, a member twice, bad UTF-8. The call has run.",
        "Report it to the server's author.",
    ),
    "UPS045": CodePage(
        "too much waits for the server",
        "The server does not read what it was sent, or `max_in_flight` requests wait for its answers. The frame has "
        "not left the gate, and what it had spent was given back.",
        "Wait for answers before asking more. If the server is stuck, end the session; its process ends with it.",
    ),
    "UPS046": CodePage(
        "too many processes of the server",
        "Each session (each identity, in 2026-07-28) has a process of its own. `max_children` of them are in use; if "
        "one were idle, it would have made room.",
        "Try again later, end sessions that are not needed, or raise `max_children` in callgate.yaml.",
    ),
    "UPS047": CodePage(
        "the session is not known here",
        "The session has ended: its server process died, was idle for longer than `idle`, had to make room, or was "
        "served by another gate. A process's memory cannot be carried over.",
        "Start a new session with `initialize`; clients do so by themselves when they get the HTTP status 404.",
    ),
    "UPS048": CodePage(
        "the server speaks no protocol version without a handshake",
        "The request is of protocol version 2026-07-28, and the server, asked with `server/discover`, does not know "
        "it. The gate does not translate between the eras. The request has not been sent. It is remembered for five "
        "minutes.",
        "Let the client speak a version with `initialize`; the answer names them in `data.supported`. Or update the "
        "server.",
    ),
    "UPS049": CodePage(
        "the server keeps ending",
        "The server's process ended three times or more soon after its start, so it is not started again at once. The "
        "frame has not reached anybody.",
        "Look at the gate's log: it has each exit status and what the server wrote to its stderr last. Starts go on "
        "by themselves after the seconds that the message names.",
    ),
    "UPS050": CodePage(
        "the server does not say which versions it speaks",
        "Before the first request of 2026-07-28 a new server process is asked `server/discover`. It has not answered "
        "within ten seconds of its start, so it was ended. The request has not been sent.",
        "If the server's first start takes long because it is fetched (npx, uvx), install it beforehand. Otherwise "
        "look at what it wrote to its stderr, in the gate's log.",
    ),
    "UPS051": CodePage(
        "nobody takes the server's request",
        "This answer goes to the server: it asked its client something (sampling, elicitation, roots). In 2026-07-28 "
        "servers have no requests. Before, the client has no stream open on which it could be asked, and too many "
        "frames waited for one already.",
        "Nothing, unless it happens often: then use a client that keeps a GET stream open, as MCP allows.",
    ),
    "UPS053": CodePage(
        "too many of the server's messages are not valid",
        "So much of what the server sent on one stream could not be passed on (no valid message, or an answer that "
        "nobody asked for) that the gate ended the stream. A call that waited on it counts as made; whether it took "
        "effect is not known. The audit and the log have the first of these messages, and how many there were.",
        "Look into the server: the codes in the log say what is wrong with its messages.",
    ),
    "UPS010": CodePage(
        "The server does not know the session",
        "The server answered a request of a session with HTTP 404: it has ended the session, or was started "
        "anew.",
        "Clients begin a new session by themselves.",
    ),
    "UPS011": CodePage(
        "An HTTP status without a message",
        "The server answered a request with an HTTP error and no JSON-RPC message in it.",
        "Look into the server's log; check that the configured `url` is its MCP endpoint.",
    ),
    "UPS012": CodePage(
        "The server refuses the gate's credentials",
        "The server behind the gate answered with HTTP 401 or 403. The caller's own credential is never passed "
        "on, so it is the gate's that is missing, wrong or expired.",
        "Set the server's `headers` in callgate.yaml (or `--header`), for example `Authorization: {env: TOKEN, "
        'prefix: "Bearer "}`.',
    ),
    "UPS036": CodePage(
        "A tool that cannot be called over HTTP",
        "The tool's input schema marks properties with `x-mcp-header` in a way that MCP 2026-07-28 does not allow (on "
        "an object, twice under one name, out of reach). A client must not call such a tool, as nobody could say which "
        "headers belong to it. Nothing was sent, and nothing is charged.",
        "Report it to whoever maintains the server.",
    ),
}
