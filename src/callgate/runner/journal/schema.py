"""The tables of a journal. A change of any of them needs a new VERSION and a way from the old one.

One small row for each execution, as it changes often; what is large lies in `document`. `owner` and `session` are
SHA-256 digests: of bounded length, whatever an agent chose. `{…}` are the words in which the databases differ.
"""

VERSION = 1

# The bytes `cgJ1`.
APPLICATION_ID = 0x63674A31

_TABLES = (
    "CREATE TABLE execution (id {id}, uuid TEXT NOT NULL UNIQUE, owner {blob} NOT NULL, session {blob}, "
    "state TEXT NOT NULL, cause TEXT, attempt INTEGER NOT NULL, version BIGINT NOT NULL, "
    "created_ms BIGINT NOT NULL, started_ms BIGINT, ended_ms BIGINT, worker TEXT, lease_until_ms BIGINT, "
    "cancel_requested INTEGER NOT NULL, progress DOUBLE PRECISION, progress_text {blob}, backend TEXT, "
    "tier TEXT, output_bytes BIGINT NOT NULL, calls BIGINT NOT NULL, denied_calls BIGINT NOT NULL, "
    "size BIGINT NOT NULL)",
    "CREATE INDEX execution_owner ON execution (owner, created_ms, uuid)",
    "CREATE INDEX execution_session ON execution (owner, session, created_ms, uuid) WHERE session IS NOT NULL",
    "CREATE INDEX execution_open ON execution (created_ms, id) WHERE ended_ms IS NULL",
    "CREATE INDEX execution_queued ON execution (owner) WHERE state = 'queued'",
    "CREATE INDEX execution_ended ON execution (ended_ms, id) WHERE ended_ms IS NOT NULL",
    "CREATE INDEX execution_kept ON execution (owner, ended_ms, id, size) WHERE ended_ms IS NOT NULL",
    # `kind`: head, input, end, results, session (the variables that the first attempt found).
    "CREATE TABLE document (execution BIGINT NOT NULL, kind TEXT NOT NULL, data {blob} NOT NULL, "
    "PRIMARY KEY (execution, kind))",
    "CREATE TABLE output (execution BIGINT NOT NULL, start BIGINT NOT NULL, stream TEXT NOT NULL, "
    "data {blob} NOT NULL, PRIMARY KEY (execution, start))",
    "CREATE TABLE inner_call (execution BIGINT NOT NULL, seq BIGINT NOT NULL, attempt INTEGER NOT NULL, "
    "function {blob} NOT NULL, arguments_sha256 TEXT NOT NULL, state TEXT NOT NULL, "
    "repeatable INTEGER NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT, answer {blob}, "
    "decision_id TEXT, PRIMARY KEY (execution, seq))",
    # What the runs of a session hand on: it does not go with the run that declared it.
    "CREATE TABLE variable (id {id}, owner {blob} NOT NULL, session {blob} NOT NULL, name {blob} NOT NULL, "
    "declared_ms BIGINT NOT NULL, size BIGINT NOT NULL, data {blob} NOT NULL, UNIQUE (owner, session, name))",
    "CREATE INDEX variable_declared ON variable (declared_ms, id)",
    "CREATE INDEX variable_kept ON variable (owner, declared_ms, id, size)",
)


def tables(*, id: str, blob: str) -> tuple[str, ...]:
    """The statements that make an empty journal, in one database's words."""
    return tuple(statement.format(id=id, blob=blob) for statement in _TABLES)
