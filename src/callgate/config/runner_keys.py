"""Every key of `runner` in callgate.yaml, once: reader, JSON Schema and reference are made from these tables."""

from callgate.config.shapes import A_DURATION, A_SIZE, DURATION, SIZE, TEXT, TRUTH, array, ref, whole
from callgate.policy.keys import Key

_URL = {"anyOf": [TEXT, ref("secret")]}
_URL_TYPE = "URL, or `{env: NAME}` or `{file: PATH}` that holds it"

RUNNER: tuple[Key, ...] = (
    Key("policy", "path", "The policy that guards executions as such: how many calls one may make (`per_execution`) "
        "and which secrets its code may hold (`grant_secrets`). What a call may do, the policy of its server says.",
        "runner-policy.yaml", TEXT, "no budgets, and no secret is granted"),
    Key("servers", "list of names", "The servers of this file whose tools code may call.", "[]", array(TEXT),
        "all of them"),
    Key("journal", _URL_TYPE, "Where executions are kept: `sqlite:PATH`, or `postgresql://USER@HOST/DATABASE` for "
        "several machines. A URL with a password belongs in the environment or a file.", "{env: JOURNAL_URL}", _URL,
        "SQLite in the user's state directory, a file for each configuration"),
    Key("queue", _URL_TYPE, "Who is told of new executions: `memory://` the same process, `redis://HOST:PORT/DB` "
        "the workers on all machines. Whoever can write to that Redis can run code in the workers: give it a "
        "password, TLS, and no other use.", "{env: REDIS_URL}", _URL, "memory://"),
    Key("backend", "`bwrap` or `monty`", "What runs the code: CPython behind the walls of the operating system, or "
        "the interpreter of `pydantic-monty`, which knows a part of Python and no packages.", "bwrap",
        {"enum": ["bwrap", "monty"]}, "bwrap"),
    Key("accept_tier", "`sandbox`, `weak` or `interpreter`", "The weakest walls that you accept. `weak`: Landlock and "
        "seccomp, where namespaces are not to be had. `interpreter`: none of the operating system, as with `monty`. "
        "Every answer shows the tier.", "sandbox", {"enum": ["sandbox", "weak", "interpreter"]}, "sandbox"),
    Key("concurrency", "whole number", "How many executions run at once in one worker.", "8", whole(1, 1_000), "4"),
    Key("pool", "whole number", "How many sandboxes wait ready, so that code starts in milliseconds.", "4",
        whole(0, 1_000), "2"),
    Key("python", "path", "The interpreter inside the sandbox. With `bwrap` only.", "/usr/bin/python3", TEXT,
        "the one that runs the runner"),
    Key("limits", "mapping", "What one execution may use.", "{memory: 512MiB}", ref("runner_limits"),
        "the defaults below"),
    Key("network", "list of `HOST:PORT` or `*.HOST:PORT`", "What code may connect to. `*.` stands for one or more "
        "labels. With `bwrap` only.", '["api.example.com:443"]', array(TEXT), "[]"),
    Key("packages", "mapping", "What code may import beyond the standard library. With `bwrap` only.",
        "{allow: [numpy, pandas]}", ref("packages"), "the defaults below"),
    Key("secrets", "mapping: name → secret", "The secrets that code may ask for with `required_secrets`, by the names "
        "it asks for them. The policy says which of them come into the sandbox (`grant_secrets`).",
        "{API_TOKEN: {env: API_TOKEN}}",
        {"type": "object", "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
         "additionalProperties": ref("secret")}, "{}"),
    Key("retention", "mapping", "How long and how much is kept of executions that ended.", "{keep: 30d}",
        ref("retention"), "the defaults below"),
    Key("lease", A_DURATION, "A worker that has not been heard of for so long is taken for dead, and another goes on.",
        "30s", DURATION, "15s"),
    Key("max_attempts", "whole number", "How often an execution is begun, if its workers die.", "3", whole(1, 100),
        "5"),
    Key("sync", "`full` or `normal`", "Whether what the journal accepted survives a power cut, or only the end of the "
        "process. For SQLite.", "full", {"enum": ["full", "normal"]}, "full"),
    Key("trusted_gates", "list of identities", "The authenticated callers whose word is taken about whom they call for "
        "(`forward_identity` of a gate before this runner, over HTTP).", "[gate]", array(TEXT), "[]"),
    Key("drain", A_DURATION, "How long executions may take to end after SIGTERM; what has not ended is begun anew by "
        "the next worker.", "30s", DURATION, "10s"),
)  # fmt: skip

LIMITS: tuple[Key, ...] = (
    Key("memory", A_SIZE, "Memory.", "512MiB", SIZE, "1GiB"),
    Key("cpu", A_DURATION, "Time of the processor, all threads together.", "5m", DURATION, "no limit"),
    Key("time", A_DURATION, "Time on the clock. `executeCode` ends at its own time-out at the latest.", "1h", DURATION,
        "no limit"),
    Key("threads", "whole number", "Threads.", "16", whole(1, 10_000), "64"),
    Key("disk", A_SIZE, "Files in the work folder, all together.", "1GiB", SIZE, "64MiB"),
    Key("inodes", "whole number", "How many files and folders.", "1000", whole(100, 10_000_000), "10000"),
    Key("output", A_SIZE, "How much is kept of what the code prints: its beginning and its end. Sixty-four times as "
        "much ends the execution.", "256KiB", SIZE, "1MiB"),
    Key("results", A_SIZE, "The values of `output_vars`, as JSON.", "4MiB", SIZE, "1MiB"),
    Key("calls", "whole number", "Tool calls of one execution, refused ones too.", "1000", whole(1, 1_000_000_000),
        "100000"),
    Key("answers", A_SIZE, "What all tools together answer to one execution: it is kept until the execution ends.",
        "64MiB", SIZE, "256MiB"),
)  # fmt: skip

PACKAGES: tuple[Key, ...] = (
    Key("enabled", "`true` or `false`", "Whether `additional_imports` may install anything.", "false", TRUTH, "true"),
    Key("profile", "`data` or `none`", "Packages that every execution sees: `data` stands for numpy, pandas and "
        "httpx, if they are installed beside the runner (`pip install 'callgate[data]'`).", "none",
        {"enum": ["data", "none"]}, "data"),
    Key("allow", "list of names and patterns", "The packages that may be installed, with what they need. `*` and `?` "
        "are wildcards; `-`, `_` and `.` are the same, and so are large and small letters.", '[numpy, "types-*"]',
        array(TEXT, at_least=1), "any that `deny` does not name"),
    Key("deny", "list of names and patterns", "Packages that are never installed, whatever `allow` says.",
        "[requests]", array(TEXT), "[]"),
    Key("cache", "path", "The folder that installed packages are kept in.", "/var/cache/callgate", TEXT,
        "in the user's cache directory"),
    Key("max_set", A_SIZE, "The packages of one execution together, on the disk.", "256MiB", SIZE, "512MiB"),
    Key("max_cache", A_SIZE, "The cache. What was not used for the longest time makes room.", "16GiB", SIZE, "4GiB"),
    Key("max_packages", "whole number", "How many packages one execution may need, with what these need.", "20",
        whole(1, 1_000), "50"),
    Key("timeout", A_DURATION, "How long finding and installing may take.", "5m", DURATION, "2m"),
    Key("index", "URL", "The package index. Plain http is for loopback only.", "https://packages.example.com/simple",
        ref("address"), "the one that uv knows"),
)  # fmt: skip

RETENTION: tuple[Key, ...] = (
    Key("keep", A_DURATION, "How long an execution can be looked at after its end.", "30d", DURATION, "7d"),
    Key("max_executions", "whole number", "How many are kept. The oldest of those who have the most make "
        "room, ten minutes after their end at the soonest.", "10000",
        whole(1, 1_000_000_000), "100000"),
    Key("max_bytes", A_SIZE, "How much is kept of all of them, a quarter at most variables of "
        "sessions. The oldest of those who have the most make room, ten minutes after their end at the soonest.",
        "16GiB", SIZE, "4GiB"),
    Key("max_queued", "whole number", "How many may wait. Further ones are refused.", "1000", whole(1, 10_000_000),
        "10000"),
)  # fmt: skip
