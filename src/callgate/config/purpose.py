"""What callgate.yaml is read for."""

from typing import Literal

Purpose = Literal["serve", "runner"]
"""`serve` needs servers, and passes over the runner's policy; `runner` needs nothing at all. Where neither is said,
as for checking, a file needs servers or a `runner`."""
