"""Codes of the limit stores."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "STA001": CodePage(
        "unknown state store",
        "The URL given as the state store has a form or an option that is not known.",
        "Use `memory://`, `sqlite:///absolute/path.db`, `sqlite:relative/path.db`, or `redis://host:6379/0` (also "
        "`rediss://` for TLS, `valkey://`, `unix:///path.sock`, `redis+sentinel://host1,host2/master`). SQLite "
        "takes `?sync=full` (the default) or `?sync=normal`; the options of Redis are in `docs/state.md`.",
    ),
    "STA002": CodePage(
        "state store not available",
        "The URL names a kind of store that this version does not have.",
        "Use SQLite, which any number of processes on one machine may share, or Redis or Valkey, which any "
        "number of machines may share.",
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
    "STA020": CodePage(
        "Redis not reachable",
        "There is no connection to the Redis or Valkey server: nothing listens there, its name is unknown, TLS "
        "failed, the password's file cannot be read, or the server closed the connection in the middle of a call. "
        "A call whose answer did not come is denied, and what it charged, if it did, stays spent.",
        "Start the server or correct the URL. The gate tries to connect by itself, at least once a second, and "
        "denies at once meanwhile.",
    ),
    "STA021": CodePage(
        "Redis does not answer in time",
        "The server has taken the call and not answered within `?timeout=` (0.25 s if left out). It may be "
        "stopped, overloaded, or busy with another client's slow command. The call is denied; what it charged, if "
        "it did, stays spent.",
        "Look at the server's load and slow log, or allow more time with `?timeout=1`. The following calls are "
        "denied at once; the gate asks in the background until the server answers again.",
    ),
    "STA022": CodePage(
        "Redis refuses the gate",
        "The user or the password is wrong or missing, or the user may not run the commands that are needed.",
        "Correct the password (`?password_file=`, `?password_env=`, or in the URL). An ACL user needs its keys "
        "(`~{callgate}:*`, or your prefix) and `+evalsha +script|load +unlink +ping +select +time +info +wait` "
        "with the commands of the scripts: `+@string +@list +@sortedset +del +pexpire`.",
    ),
    "STA023": CodePage(
        "Redis cannot be written now",
        "The server is a replica, is loading its data, has lost its replicas, or its cluster is changing. Nothing "
        "was spent.",
        "Wait for the failover or the start. The gate connects anew (with sentinels: to the new master) by itself.",
    ),
    "STA024": CodePage(
        "Redis full",
        "The server has reached its `maxmemory`, so a charge cannot be written down, and the call is denied.",
        "Raise `maxmemory`, or give callgate a server of its own. The next call tries again by itself.",
    ),
    "STA025": CodePage(
        "Redis store damaged",
        "A key of the store holds something that callgate does not write. What has been spent can no longer be "
        "known, so calls that need it are denied.",
        "Find out what else writes to these keys, and give callgate a prefix (`?prefix=`) or database of its own. "
        "To begin with empty counters, stop the gates, delete the keys with the prefix, and start again.",
    ),
    "STA026": CodePage(
        "Redis lost its counters",
        "This gate has counted in a store that is now empty, another one, or an older copy: the server restarted "
        "without its data, was flushed, or a replica took over that had not received everything. What was spent "
        "before may still count, so every limit stays closed until its window has passed once.",
        "Wait, or restart the gates with `?after_loss=continue`, which begins at zero: up to `max` calls more than "
        "allowed may then pass in one window. To keep counters over restarts, set `appendonly yes`; over "
        "failovers, ask for `?replicas=1`.",
    ),
    "STA027": CodePage(
        "counter removed from Redis",
        "A counter that still counts is gone from the server, which removes keys when its memory is full, or "
        "something deleted it, or its clock was set forth by more than a week. Calls that need it are denied until "
        "its window has passed.",
        "Set `maxmemory-policy noeviction` and enough `maxmemory`, and let nothing else delete the store's keys.",
    ),
    "STA028": CodePage(
        "charge not on enough replicas",
        "The URL asks for `?replicas=N`, and so many did not confirm the charge in time. It stays spent, and the "
        "call is denied: after a failover it might be forgotten.",
        "Look at the replicas and their links, or ask for fewer.",
    ),
    "STA029": CodePage(
        "Redis failed",
        "The server answered with an error or an answer that none of the other codes describes.",
        "Look at the message and at the server's log. The next call tries again.",
    ),
    "STA030": CodePage(
        "Redis may forget counters",
        "A warning at the start: the server removes keys when its memory is full, or keeps nothing over a restart. "
        "Either loses counters, which closes limits for a while.",
        "Set `maxmemory-policy noeviction` and `appendonly yes`.",
    ),
    "STA031": CodePage(
        "calls let through uncounted",
        "The gate is configured to let calls through while its state store fails (`on_state_failure: allow`), and the "
        "store fails. Limits do not hold meanwhile. It is said when it begins, every minute, and when it ends.",
        "Repair the store; the message says what is wrong with it. To deny instead, remove the setting.",
    ),
    "STA032": CodePage(
        "No folder for what workers share",
        "Several workers are scraped as one: each leaves its counters in a private folder among the temporary "
        "files, and "
        "none could be made.",
        "Let `TMPDIR` name a folder that can be written to (mount an empty one in a container), or serve with one "
        "worker.",
    ),
    "STA033": CodePage(
        "What is in force cannot be shared among workers",
        "Each of several workers leaves the configuration and the policies that it is about to put in force in a "
        "private folder among the temporary files, so that a worker that is started anew begins with no older ones. "
        "That folder cannot be written to, or what was left there cannot be read. What was in force before stays.",
        "Make room in the folder that `TMPDIR` names, and let nothing clean it up while the gate runs. The change is "
        "tried again every second; a worker that cannot read what was left needs a restart of the gate.",
    ),
}
