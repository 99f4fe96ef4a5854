"""Ready profiles: packages of the runner's own environment, copied into a folder that a sandbox may see. No network.

The copy holds the named distributions and what they need, and nothing else of the environment. Blocking.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from msgspec import Struct
from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from callgate.errors import PackagesError

PROFILES: Mapping[str, tuple[str, ...]] = {"data": ("httpx", "numpy", "pandas")}
"""What each profile holds; the extra of the same name installs it."""

PROFILE_HELP = "`pip install 'callgate[data]'` gives scripts numpy, pandas and httpx"

_FORMAT = "1"


class Profile(Struct, frozen=True):
    """The distributions of a profile; `pins` are `name==version`."""

    pins: tuple[str, ...]
    distributions: tuple[Distribution, ...]

    def key(self, platform: str) -> str:
        """Equal for equal distributions on an equal platform."""
        text = "\n".join(["profile", _FORMAT, platform, *self.pins])
        return hashlib.sha256(text.encode()).hexdigest()


def profile_of(name: str) -> Profile | None:
    """What the profile comes to here, or None if any of it is not installed."""
    environment = {key: str(value) for key, value in default_environment().items()} | {"extra": ""}
    found: dict[str, Distribution] = {}
    pending = list(PROFILES[name])
    while pending:
        wanted = canonicalize_name(pending.pop())
        if wanted in found:
            continue
        try:
            found[wanted] = distribution(wanted)
        except PackageNotFoundError:
            return None
        pending += _needs(found[wanted], environment)
    names = sorted(found)
    return Profile(
        tuple(f"{name}=={found[name].version}" for name in names), tuple(found[name] for name in names)
    )


def copy_profile(profile: Profile, site: str, python: str) -> None:
    """Copy the distributions into the new folder `site`, and compile what has no bytecode. Raises PackagesError."""
    os.mkdir(site, 0o755)
    for one in profile.distributions:
        for source, relative in _files(one):
            target = os.path.join(site, relative)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            # With its times: the bytecode beside it is valid for them.
            shutil.copy2(source, target)
    # Silent about files that are not Python of this version: they are as little importable where they come from.
    words = [python, "-I", "-S", "-m", "compileall", "-qq", "-j", "0", site]
    try:
        subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False, env={})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackagesError(
            "PKG012", "the profile's packages cannot be compiled", "the operator looks at the machine's load"
        ) from error


def _needs(one: Distribution, environment: dict[str, str]) -> Iterator[str]:
    for line in one.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield requirement.name


def _files(one: Distribution) -> Iterator[tuple[str, str]]:
    """Where each file lies, and where under a folder of packages it belongs; scripts and links are left out."""
    for entry in one.files or ():
        relative = os.path.normpath(str(entry))
        source = str(entry.locate())
        outside = relative.startswith("..") or os.path.isabs(relative) or relative.endswith(".pth")
        if outside or os.path.islink(source) or not os.path.isfile(source):
            continue
        yield source, relative
        yield from _bytecode(source, relative)


def _bytecode(source: str, relative: str) -> Iterator[tuple[str, str]]:
    """The bytecode that Python has made of a module since it was installed; no RECORD names that."""
    if not relative.endswith(".py"):
        return
    from importlib.util import cache_from_source

    made = cache_from_source(source)
    if os.path.isfile(made) and not os.path.islink(made):
        yield made, os.path.join(os.path.dirname(relative), "__pycache__", os.path.basename(made))
