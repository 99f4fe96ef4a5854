"""What the documentation says of connections and requests that are refused before anyone looks at their content."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "HTTP001": CodePage(
        "not a well-formed request",
        "What a connection sent is not HTTP/1.1 as RFC 9112 writes it: a line that is no request line or no header, a "
        "bare carriage return or line feed, a folded header, a space before a colon, a control character, a malformed "
        "chunk. Servers and proxies repair such requests each in its own way, which is what request smuggling lives "
        "on. It is answered with 400 and the connection is closed; nothing behind it is read as a request.",
        "If it comes from a client you trust, look at what built the request by hand. A client that speaks TLS to a "
        "listener without TLS is the most frequent cause; use `http://`, or give the listener a certificate.",
    ),
    "HTTP002": CodePage(
        "ambiguous length",
        "It is not certain where the body of the request ends: `Content-Length` together with `Transfer-Encoding`, "
        "either of them twice, a length that is not a plain number, a transfer coding other than exactly `chunked`, "
        "or `chunked` in HTTP/1.0. Answered with 400; the connection is closed.",
        "Send one `Content-Length`, or `Transfer-Encoding: chunked` alone. If a proxy in front adds one of them, make "
        "it remove the other.",
    ),
    "HTTP003": CodePage(
        "a header stands twice",
        "A header that can only have one value stands more than once: Host, Content-Type, Content-Encoding, "
        "Authorization, Origin, Expect or Upgrade. Programs differ on which one counts, so what is checked might not "
        "be what is meant. Answered with 400; the connection is closed.",
        "Send each of them once. If a proxy adds a second one, have it replace the first.",
    ),
    "HTTP004": CodePage(
        "no valid Host",
        "A request of HTTP/1.1 has no `Host`, or one that is not a name or an address with at most a port. "
        "Answered with 400; the connection is closed.",
        "Send the host and port of the URL as `Host`, and nothing else in it.",
    ),
    "HTTP005": CodePage(
        "the target is not a path",
        "The target of the request does not begin with `/`, or holds a `#`, a control character or a byte that is not "
        "ASCII. Whole URLs, `host:port` and `*` are for proxies and tunnels, which this is not. Answered with 400; "
        "the connection is closed.",
        "Send the path and query of the URL, percent-encoded. If the client is set up to use this address as an HTTP "
        "proxy, make it the server's URL instead.",
    ),
    "HTTP006": CodePage(
        "headers too large or too many",
        "Request line and headers together are larger than `listen.limits.max_head`, or there are more than "
        "`listen.limits.max_headers`. Answered with 431; the connection is closed.",
        "Send less (cookies and long tokens are the usual reason), or raise the bound.",
    ),
    "HTTP007": CodePage(
        "request line too long",
        "The request line is longer than 8,192 bytes. Answered with 414; the connection is closed.",
        "Send what is long in the body.",
    ),
    "HTTP008": CodePage(
        "body too large",
        "The body is longer than what may be sent to this path, by its `Content-Length` or while it came. It was not "
        "kept. Answered with 413; the connection is closed.",
        "Send less in one call, or raise `max_request` of the server if its tools need such calls.",
    ),
    "HTTP009": CodePage(
        "unknown method",
        "The method is not GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS. Answered with 501; the connection is "
        "closed.",
        "MCP needs POST, and GET and DELETE for sessions.",
    ),
    "HTTP010": CodePage(
        "another version of HTTP",
        "The request is not HTTP/1.1 or HTTP/1.0; HTTP/2 with prior knowledge begins so. Answered with 505; the "
        "connection is closed.",
        "Have the client use HTTP/1.1, or put a proxy in front that speaks HTTP/2.",
    ),
    "HTTP011": CodePage(
        "change of protocol",
        "The request wants a tunnel (CONNECT) or another protocol on the connection (`Upgrade`). Only an offer of "
        "`h2c` is passed over, since some clients make it with every request. Answered with 400; the connection is "
        "closed.",
        "Use plain HTTP/1.1; MCP does not use WebSocket.",
    ),
    "HTTP012": CodePage(
        "unknown expectation",
        "`Expect` is not `100-continue`, or stands in a request of HTTP/1.0. Answered with 417; the connection is "
        "closed.",
        "Leave the header out.",
    ),
    "HTTP013": CodePage(
        "too much framing",
        "A chunked body consists mostly of chunk lines, extensions or trailers: it would cost far more to read than "
        "it says. Answered with 400; the connection is closed.",
        "Send larger chunks, and no extensions or trailers: they are thrown away anyway.",
    ),
    "HTTP014": CodePage(
        "headers too slow",
        "The headers were not complete within `listen.limits.head_timeout` from their first byte. Connections held "
        "open that way are how a server is starved. Answered with 408; the connection is closed.",
        "If it is a real client on a slow network, raise the time-out.",
    ),
    "HTTP015": CodePage(
        "body too slow",
        "The body was not complete within `listen.limits.body_timeout` plus one second for every 16 KiB of it that "
        "had come. Answered with 408; the connection is closed.",
        "If it is a real client on a slow network, raise the time-out.",
    ),
    "HTTP016": CodePage(
        "too many connections",
        "There are as many connections as `listen.limits.max_connections` allows. The new one is answered with 503 "
        "and closed; far beyond the bound it is closed without an answer.",
        "See who holds them. If they are all wanted, raise the bound and the process's limit of open files, or start "
        "more workers.",
    ),
    "HTTP017": CodePage(
        "client takes nothing",
        "A client has taken none of what was written to it for `listen.limits.write_timeout`. The connection is "
        "closed in the middle of the answer.",
        "Nothing, if the client is gone. A client that pauses for so long should reconnect, or raise the time-out.",
    ),
    "HTTP018": CodePage(
        "the gate failed on a request",
        "A bug in the gate: a request was answered with 500 and the connection closed. The log has the traceback.",
        "Please report it with the traceback.",
    ),
    "HTTP019": CodePage(
        "impossible answer",
        "A header of an answer would have held a line break or a control character, or would have changed where the "
        "answer ends. The answer was replaced by a 500 and the connection closed, since the client would have read "
        "another message than the one that was meant.",
        "Look at what the server behind the gate sends in its headers.",
    ),
    "HTTP020": CodePage(
        "nothing is served at this path",
        "The path is neither `/<server>/mcp` of a server in the configuration nor a page of the gate. Where callers "
        "are authenticated, only those who are let in get this answer: others get 401 for every path, so that nobody "
        "learns the names of servers by trying.",
        "Correct the URL; the names are those under `servers` in callgate.yaml.",
    ),
    "HTTP021": CodePage(
        "too much is being received",
        "The bodies that are still arriving on all connections take as much memory together as "
        "`listen.limits.max_buffered` allows. This one is answered with 503 and its connection closed; those that are "
        "complete, and small ones that come at once with their headers, are not affected.",
        "Try again. If so many large requests are wanted, raise the bound; otherwise see who opens them, and lower "
        "`max_request` or `listen.limits.body_timeout`.",
    ),
    "HTTP022": CodePage(
        "Too many answers that nobody reads",
        "Together, clients left more of their answers unread than `listen.limits.max_buffered` allows a process to "
        "hold. The connections with the most unread were cut off.",
        "Look for clients that ask and do not read; raise `max_buffered` if the answers are that large.",
    ),
    "HTTP030": CodePage(
        "certificate cannot be read",
        "The file of the certificate or of its key cannot be opened. When it happens to a gate that is running, it "
        "goes on with the pair it has.",
        "Check the path and that the user of the gate may read the file.",
    ),
    "HTTP031": CodePage(
        "not a certificate and its key",
        "The files are not a certificate with its matching key in PEM, or the key has a passphrase. When it happens to "
        "a gate that is running, for instance between the writing of the two files, it goes on with the pair it has.",
        "Give the certificate followed by its chain in one file, and the matching key without a passphrase in the "
        "other.",
    ),
    "HTTP032": CodePage(
        "cannot listen",
        "The address is not one of this machine's, the port is taken or reserved, or the socket that was handed over "
        "is not a bound stream socket.",
        "Choose another port with `--port`, or see who has it with `ss -ltnp`.",
    ),
    "HTTP033": CodePage(
        "workers end as soon as they begin",
        "Several worker processes in a row were killed, or crashed, within a second of their start. The gate ends "
        "rather than start them for ever.",
        "Serve with one worker to see what ends it; look at the system's log for a kill for want of memory, and at "
        "the limits that the gate runs under.",
    ),
}
