"""Where a secret is. Data only; never the secret."""

from msgspec import Struct


class Secret(Struct, frozen=True):
    """Where a secret is: an environment variable or a file (absolute path), never the value.

    Read when it is needed, and again when the file changed. `prefix` is put before it ("Bearer ").
    """

    env: str | None = None
    file: str | None = None
    prefix: str = ""
