"""Pages for the codes of metrics, traces and logs."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "TEL001": CodePage(
        "traces cannot be exported",
        "An endpoint for traces is configured, in `telemetry.otlp_endpoint` or in a variable such as "
        "OTEL_EXPORTER_OTLP_ENDPOINT, and the OpenTelemetry packages are not installed. A gate that dropped the "
        "traces in silence would be missed only when they are needed.",
        "Run `pip install callgate[otel]`. To do without traces leave out the endpoint; where the variable is set for "
        "every program of the machine, set OTEL_SDK_DISABLED=true for the gate.",
    ),
    "TEL002": CodePage(
        "unusable endpoint for traces",
        "The endpoint is not a URL of the form `http://HOST:PORT` or `https://HOST`.",
        "Give the base address of an OTLP/HTTP receiver (port 4318 by custom); `/v1/traces` is added to it.",
    ),
}
