"""Codes of the limit stores."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "STA001": CodePage(
        "unknown state store",
        "The URL given as the state store has a form or an option that is not known.",
        "Use `memory://`, `sqlite:///absolute/path.db`, or `sqlite:relative/path.db`; SQLite takes "
        "`?sync=full` (the default) or `?sync=normal`.",
    ),
    "STA002": CodePage(
        "state store not available",
        "The URL names a kind of store that this version does not have.",
        "Use SQLite: any number of processes on one machine may share one file. Between machines, this "
        "version cannot share limits.",
    ),
    "STA003": CodePage(
        "state store cannot be opened",
        "The file of the store, or its directory, is missing, cannot be created or may not be opened. Calls "
        "that need a limit from it are denied.",
        "Create the directory or give the gate's user the right to it. The next call tries again by itself.",
    ),
    "STA004": CodePage(
        "state store not trusted",
        "The file of the store (or its `-wal` or `-shm` file) is a symbolic link, no regular file, belongs "
        "to another user or may be written by others; or others may replace files in its directory. Whoever "
        "can write the file can reset every limit.",
        "Name the file itself, make it belong to the gate's user with mode 0600, and its directory with "
        "mode 0700.",
    ),
    "STA005": CodePage(
        "not a state store",
        "The file is not a SQLite database, belongs to another program, or has been emptied while the gate "
        "was running.",
        "Check the path. If the file was overwritten, restore it from a copy; to begin with empty counters, "
        "remove it and restart the gate.",
    ),
    "STA006": CodePage(
        "state store from a newer version",
        "The file was written by a version of callgate whose format this one does not know.",
        "Run the newer version, or give this one a file of its own.",
    ),
    "STA007": CodePage(
        "state store damaged",
        "SQLite reports a malformed database, or a stored value is not one that callgate writes. What has "
        "been spent can no longer be known, so calls are denied.",
        "Restore the file from a copy. To begin with empty counters, stop the gate, remove the file with its "
        "`-wal` and `-shm` files, and start again.",
    ),
    "STA008": CodePage(
        "state store full",
        "There is no room to write down what a call spends, so the call is denied.",
        "Free space on the disk. The next call tries again by itself.",
    ),
    "STA009": CodePage(
        "state store locked",
        "Another process holds the database's lock for longer than the gate waits. The first call waits for "
        "the whole time allowed; while the lock stays, the following ones fail almost at once.",
        "Find what holds the file open (`fuser state.db`): a backup, a shell with an open transaction, a "
        "stopped process. The next call tries again by itself.",
    ),
    "STA010": CodePage(
        "state store read-only",
        "The file or its file system cannot be written, so nothing can be spent and calls are denied.",
        "Give the gate's user write access to the file and its directory. The next call tries again.",
    ),
    "STA011": CodePage(
        "state store gone",
        "The file was deleted, moved, replaced or cut short while the gate had it open. Writing on would "
        "silently forget what was spent, and a running gate never replaces a store that it has seen by an "
        "empty one.",
        "Put the file back: the next call opens it again. To begin with empty counters, restart the gate.",
    ),
    "STA012": CodePage(
        "amount cannot be counted",
        "An amount to be charged is negative, not a finite number, or has more than 100 digits before or "
        "after the decimal point.",
        "Look at what the limit's `cost` is taken from, and bound that argument with `validate`.",
    ),
    "STA013": CodePage(
        "state store failed",
        "Reading or writing the store failed in a way that none of the other codes describes.",
        "Look at the message and at the system's log of the disk. The next call opens the store anew.",
    ),
    "STA014": CodePage(
        "SQLite not usable here",
        "This Python has no `sqlite3` module, or the file system cannot hold a write-ahead log (network file "
        "systems often cannot).",
        "Install Python with SQLite, or put the file on a local file system.",
    ),
}
