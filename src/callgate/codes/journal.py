"""Codes of the runner's journal: where executions are kept."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "JRN001": CodePage(
        "unknown journal",
        "The URL given as the journal has a form or an option that is not known. What could be a password in it is "
        "never shown.",
        "Use `sqlite:/absolute/path.db` or `sqlite:relative/path.db` (both take `?sync=full`, the default, or "
        "`?sync=normal`), or `postgresql://user@host:5432/database` with the parameters of libpq, such as "
        "`?sslmode=verify-full`. In a password, write `%40` for `@`, `%2F` for `/`, `%3F` for `?`, `%23` for `#`.",
    ),
    "JRN002": CodePage(
        "journal not available",
        "The journal is kept in a database whose client is not installed.",
        "For PostgreSQL install `callgate[postgres]`; for SQLite install Python with its `sqlite3` module.",
    ),
    "JRN003": CodePage(
        "journal cannot be opened",
        "The file of the journal, or its directory, is missing, cannot be created or may not be opened; or the "
        "journal was used before it was opened. No execution is accepted.",
        "Create the directory or give the runner's user the right to it. The next execution tries again by itself.",
    ),
    "JRN004": CodePage(
        "journal not trusted",
        "The file of the journal (or its `-wal` or `-shm` file) is a symbolic link, no regular file, belongs to "
        "another user or is open to others; or others may replace files in its directory. It holds scripts and "
        "results, and whoever can write it can have scripts run.",
        "Name the file itself, make it belong to the runner's user with mode 0600, and its directory with mode 0700.",
    ),
    "JRN005": CodePage(
        "not a journal",
        "The file is not a SQLite database, belongs to another program, or has been emptied while the runner was "
        "running; or the PostgreSQL database has a schema `callgate` that is not a journal.",
        "Check the path or the database. If the file was overwritten, restore it from a copy; to begin with an empty "
        "journal, remove it and restart the runner.",
    ),
    "JRN006": CodePage(
        "journal from a newer version",
        "The journal was written by a version of callgate whose format this one does not know.",
        "Run the newer version everywhere, or give this one a journal of its own.",
    ),
    "JRN007": CodePage(
        "journal damaged",
        "The database reports that it is malformed, or its tables are not the ones that callgate makes. What ran can "
        "no longer be known, so nothing is accepted.",
        "Restore it from a copy. To begin with an empty journal, stop every runner, remove the file with its `-wal` "
        "and `-shm` files (or drop the schema `callgate`), and start again.",
    ),
    "JRN008": CodePage(
        "journal full",
        "There is no room to write down an execution or what became of it: the disk is full.",
        "Free space on the disk, or lower what `retention` keeps. The next execution tries again by itself.",
    ),
    "JRN009": CodePage(
        "journal locked",
        "Another process or session holds a lock for longer than the runner waits, or a statement took longer than "
        "the time allowed.",
        "Find what holds the lock: a backup, a `sqlite3` or `psql` shell with an open transaction. The next execution "
        "tries again by itself.",
    ),
    "JRN010": CodePage(
        "journal read-only",
        "The file, its file system or the PostgreSQL server does not take writes (it may be a replica).",
        "Make it writable, or name the primary server.",
    ),
    "JRN011": CodePage(
        "journal gone while in use",
        "The file was deleted or replaced, or was changed while it was being opened. Going on would write to a file "
        "that nobody will read again.",
        "Put the file back, or restart the runner to begin an empty journal.",
    ),
    "JRN012": CodePage(
        "unreadable record",
        "The journal as a whole works, but what it holds about one execution cannot be understood: it was changed by "
        "hand, or damaged. Other executions are not affected; one that waited is ended as `failed`.",
        "Restore the journal from a copy if the execution matters.",
    ),
    "JRN013": CodePage(
        "no write-ahead log",
        "The file system cannot hold SQLite's write-ahead log, which several processes need to share a journal. "
        "Network file systems cannot.",
        "Put the journal on a local file system, or use PostgreSQL.",
    ),
    "JRN014": CodePage(
        "journal failed",
        "The database reported an error that is none of the known ones; the message has its words.",
        "Look at the disk's and the server's logs. The next execution tries again by itself.",
    ),
    "JRN015": CodePage(
        "journal unreachable",
        "The PostgreSQL server does not answer, refuses connections, or broke off. If it broke off while writing, "
        "the message says that the outcome is not known: the journal itself has the truth.",
        "Check that the server runs, and the network between. The runner reconnects by itself.",
    ),
    "JRN016": CodePage(
        "no access to the journal",
        "PostgreSQL does not let the runner's user in, or does not let it make or use the schema `callgate`.",
        "Check user, password and database of the URL. The user needs the right to create a schema in the database, "
        "or an empty schema `callgate` of its own.",
    ),
    "JRN017": CodePage(
        "too many executions wait",
        "As many executions are queued as `retention.max_queued` allows. Nothing was stored.",
        "Wait until some have run, start more workers, or raise `retention.max_queued`.",
    ),
    "JRN018": CodePage(
        "one caller has too many executions waiting",
        "The queue is nearly full, and this caller's executions are most of it: what is left is kept for others. A "
        "caller may have no more waiting than eight times the places that are free.",
        "Wait until some have run, start more workers, or raise `retention.max_queued`.",
    ),
    "JRN019": CodePage(
        "not a cursor",
        "The cursor given to go on with a list of executions is none that such a list gave.",
        "Pass the cursor of the last page unchanged, or list from the beginning.",
    ),
    "JRN020": CodePage(
        "PostgreSQL too old",
        "The server's version is older than 13.",
        "Use PostgreSQL 13 or later.",
    ),
    "JRN021": CodePage(
        "an inner call that ended twice",
        "The answer of an inner call was to be stored, but the journal already has another one under its number. The "
        "first is kept: it stands for what happened.",
        "This is a fault of the runner. Please report it.",
    ),
}
