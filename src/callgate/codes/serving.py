"""Codes of requests over HTTP that are refused for what their headers, session or era say."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "WIR070": CodePage(
        "A header that does not say what the body says",
        "Over HTTP a 2026-07-28 request repeats its version, method and name (and the arguments that a tool "
        "declares) in headers. One of them is missing, stands twice, or says something else than the body that "
        "is judged: whoever routes by the header would act on another request.",
        "Let the client make the headers from the body; every client library of that version does.",
    ),
    "WIR071": CodePage(
        "The server does not speak this protocol version",
        "The request is of a version that the gate or the server behind it does not speak. `data.supported` "
        "names the versions that would work. The gate passes both eras, but does not translate between them.",
        "Let the client choose a version of the list (most do so by themselves), or put a server of the "
        "client's era behind the gate.",
    ),
    "WIR072": CodePage(
        "A request without its envelope",
        "The header says that the request is of 2026-07-28, but `params._meta` lacks the protocol version or "
        "the client's capabilities that every such request carries.",
        "Let the client send the whole envelope; check whether something between client and gate removes "
        "`_meta`.",
    ),
    "WIR073": CodePage(
        "A method that this version does not have",
        "The request is of 2026-07-28 and names a method of the handshake eras, such as `initialize` or "
        "`ping`.",
        "Use a client that keeps to one era.",
    ),
    "WIR074": CodePage(
        "A task that is not known",
        "The task does not exist, or was begun by another caller. The two are answered alike, so that nobody "
        "can find out which tasks others have.",
        "Ask about tasks under the id that the gate gave out, with the credential that began them.",
    ),
    "WIR075": CodePage(
        "An answer where none is awaited",
        "The client sent a JSON-RPC response over HTTP in 2026-07-28, where servers ask nothing.",
        "Use a client of the server's era.",
    ),
    "WIR076": CodePage(
        "Two session ids",
        "The `Mcp-Session-Id` header stands more than once, and nobody could say which one counts.",
        "Let the client, and whatever stands between, send it once.",
    ),
    "WIR077": CodePage(
        "A session that is not known",
        "The `Mcp-Session-Id` is not one that this gate gave to this caller for this server, or its server "
        "process has ended or lives in another process of the gate. It is answered with HTTP 404.",
        "Clients begin a new session by themselves. If it happens behind a load balancer, give all gates the "
        "same `sessions.secret`.",
    ),
    "WIR078": CodePage(
        "A session id is missing",
        "The server behind the gate is a process of its own for each session, and the request names none.",
        "Send `initialize` first, and its `Mcp-Session-Id` from then on.",
    ),
    "WIR079": CodePage(
        "The body is not declared as JSON",
        "The `Content-Type` of a POST must be `application/json`, in UTF-8. Pages in a browser can send other "
        "types to any host without being asked first. A body with a `Content-Encoding` is not taken either.",
        "Let the client send `Content-Type: application/json`, and the body as it is.",
    ),
    "WIR080": CodePage(
        "The client does not accept the answer",
        "Streamable HTTP answers with one JSON object or with a stream of events; the `Accept` header must "
        "allow both (for GET the stream).",
        "Let the client send `Accept: application/json, text/event-stream`.",
    ),
}
