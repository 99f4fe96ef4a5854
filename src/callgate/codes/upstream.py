"""Pages for the codes of servers that are reached over HTTP."""

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
        "The server answered with an HTTP error and without a JSON-RPC error that says more. 401 and 403 mean that the "
        "credentials are missing or wrong; 404 and 405 that the URL is not that of an MCP endpoint.",
        "Check the URL and the credentials (`--header`). For 5xx look at the server's log.",
    ),
    "UPS035": CodePage(
        "unusable header",
        "`--header` wants `Name: value`, with a name that is made of letters, digits and `-`, and a value in one line. "
        "Headers that the gate itself writes, such as Host or Mcp-Session-Id, cannot be set.",
        "Write it as in `--header 'Authorization: env:TOKEN'`; `env:NAME` takes the value from the environment, and "
        "`file:PATH` from a file, so that it shows in no list of processes.",
    ),
}
