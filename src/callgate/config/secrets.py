"""Fetches a secret from where the configuration says it is. Never puts a value into a message."""

import os
from collections.abc import Mapping

from callgate.config.model import Secret
from callgate.errors import CallgateError
from callgate.policyfile import UnreadableFile, read_bounded
from callgate.text import quote

MAX_BYTES = 65_536


class SecretError(CallgateError):
    """A secret is not where the configuration says (CFG050)."""

    exit_status = 3


def read_secret(value: str | Secret, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text, with its prefix. One line break at the end of a file is not part of it.

    Raises SecretError if the variable is not set, the file cannot be read, or there is nothing in it or a character
    that no header can hold.
    """
    if isinstance(value, str):
        return value
    if value.env is not None:
        where = f"the environment variable {quote(value.env)}"
        found = environ.get(value.env)
        if found is None:
            raise SecretError("CFG050", f"{where} is not set", "set it where the gate is started")
    else:
        where = f"the file {quote(value.file or '', 200)}"
        found = _from_file(value.file or "", where)
    if not found:
        raise SecretError("CFG050", f"{where} is empty: a secret was to be there")
    if not found.isprintable():
        raise SecretError(
            "CFG050", f"{where} holds a line break or another control character", "keep one line in it"
        )
    return value.prefix + found


def _from_file(path: str, where: str) -> str:
    try:
        data = read_bounded(path, MAX_BYTES)
    except UnreadableFile as error:
        raise SecretError("CFG050", f"cannot read {where}: {error.why}", error.help) from None
    if len(data) > MAX_BYTES:
        raise SecretError("CFG050", f"{where} is larger than {MAX_BYTES} bytes: that is no secret")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise SecretError("CFG050", f"{where} is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")
