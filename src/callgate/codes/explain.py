"""What the documentation says of the errors of `callgate policy explain`."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "USE020": CodePage(
        "The arguments are not a JSON object",
        "`policy explain` judges a call as the gate would see it, so the arguments must be one JSON object "
        "(RFC 8259). NaN and infinities are not JSON, and a key that appears twice is refused, here and by the "
        "gate: two readers could take two different values.",
        'Write the arguments as one quoted word, as in `\'{"path": "/tmp/x"}\'`, or pass `-` and send them on '
        "stdin.",
    ),
    "USE021": CodePage(
        "The list of tools cannot be read",
        "The file given with `--tools` is missing, is not JSON, or holds no list of tools.",
        "Give the answer of the server to `tools/list`: the whole JSON-RPC response, its result, or the bare "
        "list.",
    ),
    "USE022": CodePage(
        "Not a claim",
        "`--claim` takes the name of a claim, `=` and its value as JSON, and each name once. A text is JSON only in "
        "double quotes.",
        "Write it as one quoted word, as in `--claim 'team=\"payments\"'` or `--claim 'groups=[\"ops\"]'`.",
    ),
}
