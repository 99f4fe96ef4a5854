"""Pages for what the runner's engine says: the queue, accepting executions, calls that scripts make (RUN050 …)."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "RUN050": CodePage(
        "the queue cannot be reached",
        "The server that `runner.queue` names does not answer, or does not accept the credentials. Nothing was "
        "started.",
        "See that the Redis server runs and that the URL, its password and its TLS settings are right. One machine "
        "alone needs no server: leave `queue` out.",
    ),
    "RUN051": CodePage(
        "the queue does not answer",
        "An accepted execution could not be put into the queue. It is in the journal, and is taken up as soon as the "
        "queue answers again.",
        "Look at the Redis server.",
    ),
    "RUN052": CodePage(
        "no further execution is accepted",
        "As many executions wait as the operator allows (`runner.retention.max_queued`), or as one caller may have. "
        "Nothing of this one was stored.",
        "Wait until some have ended, or cancel some.",
    ),
    "RUN053": CodePage(
        "executions cannot be stored",
        "The journal does not answer, so that no execution is accepted: one that is not written down could be lost.",
        "The runner's log says why. Look at the journal's disk, or at its database server.",
    ),
    "RUN054": CodePage(
        "no remote backend is configured",
        "The call says `local: false`, and this runner has no queue that other machines share.",
        "Leave `local` out, or set `runner.queue` to a redis:// URL and start `callgate runner worker` somewhere.",
    ),
    "RUN055": CodePage(
        "this machine runs no executions",
        "The call says `local: true`, and this runner was started with `--no-worker`: it only accepts.",
        "Leave `local` out.",
    ),
    "RUN056": CodePage(
        "a runner is not started by a runner",
        "This `callgate runner` was started as one of the servers that another runner's scripts may call. Scripts that "
        "start scripts would escape the limits of the first.",
        "List the servers that scripts may call as `runner.servers`, without this one.",
    ),
    "RUN057": CodePage(
        "a part of the runner is not installed",
        "`callgate runner` needs packages that the gate does without.",
        "Install the extra that the message names, as in `pip install 'callgate[runner]'`.",
    ),
    "RUN058": CodePage(
        "text that is not Unicode",
        "The script or one of its variables holds half of a surrogate pair, which no encoding has a form for. Nothing "
        "was stored.",
        "Send the text as it is meant, or as bytes in base64.",
    ),
    "RUN059": CodePage(
        "not a place in the list",
        "The `cursor` is not one that `listCodeExecutions` gave.",
        "Leave `cursor` out to begin anew.",
    ),
    "RUN060": CodePage(
        "no such tool",
        "The script called a function that no server of the runner's configuration has, or that is hidden.",
        "`searchTools` finds the functions that a script may call.",
    ),
    "RUN061": CodePage(
        "arguments that are not JSON",
        "The script called a tool with something that JSON has no form for.",
        "Pass texts, numbers, truth values, lists, and mappings with texts as keys.",
    ),
    "RUN063": CodePage(
        "a recorded answer cannot be read",
        "The execution is run again after its worker was lost, and what the journal holds for this call is damaged.",
        "Look at the journal's disk. The call was not made a second time.",
    ),
}
"""Code → its page."""
