"""Codes of `additional_imports`: what may be asked for, and why it cannot be had (PKG0xx)."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "PKG001": CodePage(
        "not the name of a package",
        "Each item of `additional_imports` is the name of a package on PyPI, with extras and versions if need be. "
        "Addresses, paths, version control, flags, files of requirements and conditions are refused: they would lead "
        "the installer elsewhere.",
        "Write the name as PyPI has it, as in `rich`, `pillow>=11,<12` or `httpx[http2]`.",
    ),
    "PKG002": CodePage(
        "part of Python",
        "The name is a module of the standard library, or `callgate` itself: it is there already. A package of that "
        "name on PyPI would be something else.",
        "Leave it out of `additional_imports` and import it.",
    ),
    "PKG003": CodePage(
        "a module's name, not a package's",
        "Some packages have another name than the module that they bring: `import yaml` needs `PyYAML`, `import cv2` "
        "needs `opencv-python-headless`. On PyPI, a module's name is often free, a placeholder, or a trap.",
        "Ask for the package that the message names; the import in the script stays as it is.",
    ),
    "PKG004": CodePage(
        "package not allowed",
        "The operator's `packages.allow` does not name the package, or `packages.deny` names it or one that it needs.",
        "Do without it, or ask the operator. `allow` is about what is asked for, `deny` about that and everything "
        "that it brings along.",
    ),
    "PKG005": CodePage(
        "too many packages",
        "More packages are asked for, or come along with those, than `packages.max_packages` allows.",
        "Ask for fewer, or for a smaller package that does the same. The operator may raise the bound.",
    ),
    "PKG006": CodePage(
        "no such package",
        "The index knows no package of this name.",
        "Look the name up: it may be misspelt, or differ from the name of the module.",
    ),
    "PKG007": CodePage(
        "no wheel for this platform",
        "The package comes only as source, or as wheels for other systems or versions of Python. Building from source "
        "would run the package's own code outside the sandbox, so it is never done.",
        "Ask for another version, or for another package that comes as a wheel. An operator can build a wheel once "
        "and offer it on an index of their own (`packages.index`).",
    ),
    "PKG008": CodePage(
        "packages contradict each other",
        "No choice of versions satisfies everything that is asked for and everything that comes along.",
        "Loosen the versions, or leave one of the packages out.",
    ),
    "PKG009": CodePage(
        "packages too large",
        "Unpacked, the packages take more room than `packages.max_set` allows, or more files than a set may have.",
        "Ask for fewer or smaller packages. The operator may raise the bound.",
    ),
    "PKG010": CodePage(
        "index unreachable",
        "The package index did not answer, or answered with an error. Sets that are known already still work.",
        "Try again later. The operator checks the network, `packages.index` and the settings of uv or pip.",
    ),
    "PKG011": CodePage(
        "installation took too long",
        "Resolving or installing took longer than `packages.timeout`, and was ended. Nothing half is left behind.",
        "Ask for fewer or smaller packages, or try again when the index is quicker.",
    ),
    "PKG012": CodePage(
        "the installer cannot be run",
        "`uv`, or the interpreter that packages are for, is missing or does not start.",
        "The operator installs `callgate[runner]`, and checks `runner.python`.",
    ),
    "PKG013": CodePage(
        "packages cannot be installed",
        "The installer gave up for a reason that has no code of its own, or pinned something that is not a version "
        "with hashes.",
        "Ask for other packages or versions. The message has the installer's reason where it gave one.",
    ),
    "PKG014": CodePage(
        "packages are switched off",
        "The operator has set `packages.enabled: false`: nothing beyond what is there can be imported.",
        "Use the standard library and what the tool's description names.",
    ),
    "PKG015": CodePage(
        "a hash does not match",
        "A file that was downloaded is not the one that the index had announced. It was damaged on the way, or "
        "somebody changed it. Nothing was installed.",
        "Try again. If it stays so, the operator looks into the index, or whatever stands before it.",
    ),
    "PKG016": CodePage(
        "the cache cannot be used",
        "Installed packages are kept in `packages.cache`. It cannot be written, is full, or others could write into "
        "it, who could then put code into every script.",
        "The operator gives the runner a folder of its own on a disk with room.",
    ),
    "PKG017": CodePage(
        "unsafe package",
        "A wheel is damaged, would write outside its folder, or holds something that is neither a file nor a folder. "
        "Nothing of it was kept.",
        "Ask for another package or version, and be wary of this one.",
    ),
    "PKG018": CodePage(
        "no such version",
        "The package exists, but in none of the versions that are asked for.",
        "Loosen the versions; the message says which exist.",
    ),
}
