"""The tables of a SQLite store. A change of any of them needs a new VERSION.

Amounts are decimal text: exact. Ticks are ms of store time; in a calendar window's counter, `first` and
`last` are its beginning in ns of UTC. `expires` is the tick from which nothing in the row counts any more.
`entries` of a counter is its number of rows in `entry`, `total` the sum of their amounts.
"""

APPLICATION_ID = 0x63674C31
VERSION = 1

SCHEMA = (
    "CREATE TABLE boot (boot TEXT PRIMARY KEY, monotonic INTEGER NOT NULL, store INTEGER NOT NULL, "
    "wall INTEGER NOT NULL, calendar INTEGER NOT NULL) WITHOUT ROWID",
    # AUTOINCREMENT: an id is never used again, so a late refund cannot meet another counter.
    "CREATE TABLE counter (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, "
    "limit_id TEXT NOT NULL, window TEXT NOT NULL, total TEXT NOT NULL, entries INTEGER NOT NULL, "
    "first INTEGER NOT NULL, last INTEGER NOT NULL, expires INTEGER NOT NULL)",
    "CREATE INDEX counter_live ON counter (limit_id, expires)",
    "CREATE TABLE entry (counter INTEGER NOT NULL, tick INTEGER NOT NULL, amount TEXT NOT NULL, "
    "PRIMARY KEY (counter, tick)) WITHOUT ROWID",
    # Unsettled ones only, so the table stays small. `spent` is one `counter tick amount` to a line.
    "CREATE TABLE reservation (id TEXT PRIMARY KEY, expires INTEGER NOT NULL, spent TEXT NOT NULL) "
    "WITHOUT ROWID",
)
