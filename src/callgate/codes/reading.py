"""Pages for the codes of the commands that look at a gate: `callgate calls`, `callgate status`."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "USE030": CodePage(
        "no audit to read",
        "The command reads an audit, and neither its path was given nor a callgate.yaml that names one.",
        "Give the path: `callgate calls tail audit.jsonl`; or `-c callgate.yaml`, with `audit: FILE` in it.",
    ),
    "USE031": CodePage(
        "not a span of time",
        "`--since` takes a whole number and a unit: `s`, `m`, `h`, `d` or `w`.",
        "Write `90s`, `15m`, `1h`, `7d` or `2w`.",
    ),
    "USE032": CodePage(
        "not the address of a gate",
        "`--url` takes the address that the gate listens on, as an http or https URL.",
        "Write `http://127.0.0.1:8722`. The path does not matter: `/healthz` and `/readyz` are asked.",
    ),
}
