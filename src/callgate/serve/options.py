"""What `callgate serve` was told. Data only."""

from typing import Literal

from msgspec import Struct


class ServeOptions(Struct, frozen=True):
    """None stands for what the file says."""

    config: str
    host: str | None = None
    port: int | None = None
    state: str | None = None
    audit: str | None = None
    audit_sync: Literal["full", "none"] | None = None
    workers: int | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    log_level: str = "info"
    log_format: Literal["json", "text"] = "text"
