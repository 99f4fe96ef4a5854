"""Where packages come from: the operator's index settings as an environment and flags for uv.

Takes what the host's uv and pip are configured with and nothing else of the environment: no other variable, and no
secret that is not an index's own, reaches uv. Reads configuration files; never writes.
"""

import configparser
import os
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

_PASSED = frozenset(
    {
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NETRC"),
        *(
            "UV_DEFAULT_INDEX",
            "UV_INDEX",
            "UV_INDEX_URL",
            "UV_EXTRA_INDEX_URL",
            "UV_FIND_LINKS",
            "UV_NO_INDEX",
        ),
        *("UV_INDEX_STRATEGY", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_INSECURE_HOST", "UV_HTTP_TIMEOUT"),
        *("UV_HTTP_RETRIES", "UV_EXCLUDE_NEWER"),
    }
)
_CREDENTIALS = re.compile(r"UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)")
_UV_INDEX = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
)
_PIP = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
_TRUE = ("1", "true", "yes", "on")


class IndexSettings(Struct, frozen=True):
    """`environ` and `flags` for uv. May hold credentials of the index: never shown."""

    environ: dict[str, str]
    flags: tuple[str, ...]

    def __repr__(self) -> str:
        return "IndexSettings(…)"


def index_settings(index: str | None, environ: Mapping[str, str]) -> IndexSettings:
    """The settings for `index` (a URL, or a folder of wheels), or the host's own if it is None."""
    passed = {
        name: value for name, value in environ.items() if name in _PASSED or _CREDENTIALS.fullmatch(name)
    }
    if index is not None:
        passed = {
            name: value for name, value in passed.items() if not name.startswith("UV_") or _tuning(name)
        }
        if "://" in index:
            # As a variable and not as a flag: its password would stand in the list of processes.
            return IndexSettings({**passed, "UV_DEFAULT_INDEX": index}, ("--no-config",))
        return IndexSettings(passed, ("--no-config", "--no-index", "--find-links", index))
    config = environ.get("UV_CONFIG_FILE") or _first(_uv_files(environ))
    if not config and not any(name in environ for name in _UV_INDEX):
        passed.update(_of_pip(environ))
    return IndexSettings(passed, ("--config-file", config) if config else ("--no-config",))


def _tuning(name: str) -> bool:
    return name not in _UV_INDEX


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")


def _uv_files(environ: Mapping[str, str]) -> Sequence[str]:
    home = environ.get("XDG_CONFIG_HOME") or f"{_home(environ)}/.config"
    return (f"{home}/uv/uv.toml", "/etc/uv/uv.toml")


def _first(paths: Sequence[str]) -> str | None:
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.R_OK)), None)


def _of_pip(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's settings in uv's words: files first, so that variables win, as pip has it."""
    found: dict[str, str] = {}
    home = environ.get("XDG_CONFIG_HOME") or f"{_home(environ)}/.config"
    files = ["/etc/pip.conf", f"{_home(environ)}/.pip/pip.conf", f"{home}/pip/pip.conf"]
    parser = configparser.RawConfigParser()
    try:
        parser.read([*files, *filter(None, [environ.get("PIP_CONFIG_FILE")])], encoding="utf-8")
        found = dict(parser["global"]) if parser.has_section("global") else {}
    except (configparser.Error, UnicodeDecodeError, OSError):
        found = {}
    for key in (*_PIP, "no-index"):
        value = environ.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            found[key] = value
    settings = {
        name: (" " if key != "find-links" else ",").join(found[key].split())
        for key, name in _PIP.items()
        if found.get(key)
    }
    if found.get("no-index", "").lower() in _TRUE:
        settings["UV_NO_INDEX"] = "1"
    return settings
