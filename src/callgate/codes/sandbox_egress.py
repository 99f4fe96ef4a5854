"""Pages for the codes of the runner's way out to the network (060 …)."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "SBX060": CodePage(
        "no host that could be allowed",
        "An entry of `network` is not written as one. An entry is `HOST:PORT` for one name, `*.HOST:PORT` for every "
        "name below it, or `ADDRESS:PORT` for one very address. A name reaches public addresses only; "
        "`private:HOST:PORT` lets it lead into private networks too. The port is always written, and addresses in "
        "other spellings (`127.1`, `0x7f000001`) are not taken.",
        "Correct the entry, for example `api.example.com:443`, `*.example.com:443`, `private:git.corp.example:443`, "
        "`10.1.2.3:8080` or `[fd00::1]:80`.",
    ),
    "SBX061": CodePage(
        "no usable way out of the sandbox",
        "The sandbox was to hand over the socket on which its scripts reach the proxy, and handed over something else. "
        "The execution is not begun.",
        "Start the execution again. If it happens again, report it with the version of the kernel.",
    ),
}
