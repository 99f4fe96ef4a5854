"""What `callgate runner` was told on the command line. Data only."""

from typing import Literal

from msgspec import Struct


class RunnerOptions(Struct, frozen=True, kw_only=True):
    """None stands for what the file says. `http` is `[HOST:]PORT`; None: stdio. `worker`: run executions here too."""

    config: str | None = None
    http: str | None = None
    journal: str | None = None
    queue: str | None = None
    concurrency: int | None = None
    worker: bool = True
    log_level: str = "info"
    log_format: Literal["json", "text"] = "text"
