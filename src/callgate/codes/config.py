"""What the documentation says of each finding about callgate.yaml. CFG1xx are warnings."""

from callgate.codes.page import CodePage

_REFERENCE = "The [configuration reference](../config-reference.md) lists every key."

CODES: dict[str, CodePage] = {
    "CFG001": CodePage(
        "Unknown key",
        "A mapping of callgate.yaml holds a key that is not one of its keys. It is refused because a misspelt bound "
        "that is silently ignored is no bound.",
        f"Correct the spelling, or move the key to where it belongs. {_REFERENCE}",
    ),
    "CFG002": CodePage(
        "Wrong kind of value",
        "A value is of another kind than its key needs: a text where a list belongs, a number where a text belongs. "
        "Words such as `true`, and digits, are texts only in quotes.",
        f"Write a value of the kind that the message names. {_REFERENCE}",
    ),
    "CFG003": CodePage(
        "Not one of the words",
        "The key takes one of a few words, and this is none of them. Case matters.",
        "Write one of the words that the message lists.",
    ),
    "CFG004": CodePage(
        "A key is missing",
        "A mapping lacks a key without which it means nothing, such as `policy` of a server or `audience` of `jwt`.",
        f"Add the key. {_REFERENCE}",
    ),
    "CFG005": CodePage(
        "Unusable name",
        "A name cannot be used. A server's name is part of the address that clients use, so it is up to 63 of `A-Z`, "
        "`a-z`, `0-9`, `.`, `_` and `-`, and begins with a letter or digit. Other names must not be empty or hold "
        "characters that cannot be seen.",
        "Choose another name.",
    ),
    "CFG008": CodePage(
        "Given twice",
        "A list holds the same entry twice, or a header is given under two spellings of one name. Which of the two is "
        "meant is not for the gate to guess.",
        "Delete one of the two.",
    ),
    "CFG010": CodePage(
        "The configuration cannot be read",
        "There is no file at the path, or the user that the gate runs as may not read it.",
        "Check the path given with `-c`, and the permissions of the file and of the folders above it.",
    ),
    "CFG011": CodePage(
        "The configuration is too large",
        "The file is larger than 1 MiB, which no configuration is.",
        "Check that the path names the file that you mean.",
    ),
    "CFG012": CodePage(
        "Not UTF-8",
        "The file holds bytes that are not UTF-8.",
        "Save it as UTF-8.",
    ),
    "CFG013": CodePage(
        "A character that must not be in a file",
        "The file holds a control character, or a character that some programs take for a line break and others do "
        "not: it would say one thing to its reader and another to the gate.",
        "Delete the character, or write it as an escape inside double quotes.",
    ),
    "CFG014": CodePage(
        "Not YAML",
        "The file breaks the rules of YAML at this place, or shortly before it.",
        "Repair it. Indent with spaces, and close every quote and bracket.",
    ),
    "CFG015": CodePage(
        "More than one document",
        "The file holds several YAML documents (`---`), and only one could be in force.",
        "Keep one of them.",
    ),
    "CFG016": CodePage(
        "Nested too deep", "Lists and mappings are nested more than 64 levels.", "Use fewer levels."
    ),
    "CFG017": CodePage(
        "Too many values",
        "With its aliases unfolded the file holds more than 200,000 values.",
        "Use fewer aliases.",
    ),
    "CFG018": CodePage(
        "Unusable alias",
        "An alias (`*name`) names an anchor that does not come before it, or stands inside that anchor.",
        "Put the anchor (`&name`) first.",
    ),
    "CFG019": CodePage(
        "A tag",
        "The file holds a tag (`!name`), which would change what a value is. Tags are not read.",
        "Delete it. To make a value a text, quote it.",
    ),
    "CFG020": CodePage(
        "A merge key",
        "The file holds a merge key (`<<`). YAML 1.2 does not have them, and which key wins is hard to see.",
        "Repeat the keys, or alias a whole value.",
    ),
    "CFG021": CodePage(
        "A key that is no text",
        "A key is a number, a truth value, a list or nothing. Keys are texts.",
        "Quote it, or repair the indentation that made a key of it.",
    ),
    "CFG022": CodePage(
        "Duplicate key",
        "A mapping holds the same key twice. Most readers would silently take the last.",
        "Delete one of the two.",
    ),
    "CFG023": CodePage(
        "No server",
        "The file is empty, or names no server and no runner: there is nothing to guard.",
        "Write `servers`, with a name, a `command` or `url`, and a `policy` for each.",
    ),
    "CFG024": CodePage(
        "A number that cannot be exact",
        "The number is infinite, not a number, or has more than 100 digits.",
        "Write plain digits.",
    ),
    "CFG025": CodePage(
        "More errors than are shown",
        "The file has more than 200 errors; the rest is only counted.",
        "Repair the ones that are shown first.",
    ),
    "CFG026": CodePage(
        "A directive",
        "The file has a YAML directive (`%YAML 1.1`, `%TAG`). It is read as YAML 1.2, without exception.",
        "Delete the directive.",
    ),
    "CFG027": CodePage(
        "Empty list",
        "A list is empty where that means nothing, such as a `command` without a program.",
        "Name at least one entry, or leave the key out.",
    ),
    "CFG028": CodePage(
        "Unusable path",
        "The path of a file is empty, too long, or begins with `~`, which is not expanded: a gate that is started by "
        "the system has no home folder to mean.",
        "Write the whole path, or one relative to the folder that callgate.yaml is in.",
    ),
    "CFG030": CodePage(
        "Not exactly one of `command` and `url`",
        "A server is either started as a child (`command`) or reached over HTTP (`url`). This one says both or "
        "neither.",
        "Keep the one that is meant.",
    ),
    "CFG031": CodePage(
        "A key for the other kind of server",
        "The key has a meaning only for servers that are started (`env`, `cwd`, `idle`, `max_children`), or only for "
        "those that are reached by a `url` (`headers`, `forward_identity`, `ca`, `connect_timeout`), and this is one "
        "of the other kind.",
        "Delete the key, or move it to the server that it belongs to.",
    ),
    "CFG032": CodePage(
        "A reserved name",
        "The gate itself answers at `/healthz`, `/readyz`, `/metrics` and `/.well-known`, so no server can have one of "
        "these names.",
        "Choose another name.",
    ),
    "CFG033": CodePage(
        "Not a duration",
        "A duration is a number with a unit (`500ms`, `90s`, `15m`, `1h`, `1d`), or a number of seconds.",
        "Write one of these.",
    ),
    "CFG034": CodePage(
        "Not a size",
        "A size is a number with a unit (`B`, `KB`, `MB`, `GB` of powers of 1000; `KiB`, `MiB`, `GiB` of powers of "
        "1024), or a number of bytes.",
        "Write one of these.",
    ),
    "CFG035": CodePage(
        "Out of range",
        "The number, duration or size is less or more than can be meant.",
        "Write one within the bounds that the message names.",
    ),
    "CFG036": CodePage(
        "Unusable URL",
        "The address is not an http or https URL, holds a user or a password, or has a fragment. Credentials in an "
        "address end up in logs.",
        "Write the plain address. Send credentials in `headers`, from the environment or a file.",
    ),
    "CFG037": CodePage(
        "Not the place of a secret",
        "This key takes a secret, and secrets are never written into callgate.yaml: it names an environment variable "
        "(`{env: NAME}`) or a file (`{file: PATH}`), exactly one of them, with a plain `prefix` if wanted.",
        "Write one of the two forms.",
    ),
    "CFG038": CodePage(
        "Unusable header, variable or word",
        "The name or value of a header cannot be sent, the header or variable is one that the gate writes itself, the "
        "name of an environment variable has characters that it cannot have, or a word of a command holds a NUL "
        "character.",
        "Correct the name or the value.",
    ),
    "CFG039": CodePage(
        "Unusable host or origin",
        "A host is a name or an address, perhaps with a port; an origin is a scheme, a host and perhaps a port. "
        "Patterns are not taken: the check of Host and Origin is what keeps web pages from calling through a "
        "visitor's browser.",
        "Name each host and origin in full.",
    ),
    "CFG040": CodePage(
        "A listener that anyone can reach, and nobody is asked",
        "The gate would listen beyond loopback without authentication: whoever can reach the port could use every tool "
        "that the policies allow, with the gate's credentials.",
        "Write `auth`, or listen on 127.0.0.1 and let a proxy in front authenticate. If anyone who can reach the "
        "listener may call, say so: `listen: {allow_unauthenticated: true}`.",
    ),
    "CFG041": CodePage(
        "Half of TLS",
        "TLS needs a certificate and the private key to it, and only one of the two is given.",
        "Give both: `--tls-cert` and `--tls-key`, or `tls: {cert: …, key: …}`.",
    ),
    "CFG042": CodePage(
        "Workers and children",
        "With several workers the requests of one session may meet different processes, but a server that is started "
        "as a child belongs to the process that started it.",
        "Write `workers: 1`, or run the server behind a `url` of its own.",
    ),
    "CFG043": CodePage(
        "Workers and memory",
        "With several workers and `state: memory://` each process would count for itself, and each would admit the "
        "whole of every limit.",
        "Write `state: sqlite:PATH` or `state: redis://…`, or `workers: 1`.",
    ),
    "CFG044": CodePage(
        "An algorithm that proves nothing",
        "With symmetric algorithms (HS256 and the like) whoever can check a token can make one, and with `none` "
        "everybody can. A gate that took them could be fooled with a token signed with the issuer's public key.",
        "Have tokens signed with RS256, ES256, EdDSA or another asymmetric algorithm.",
    ),
    "CFG045": CodePage(
        "Plain http where it must be trusted",
        "What stands at this address decides who is let in, and over plain http anybody on the way could change it.",
        "Use https; plain http is taken for loopback addresses only. The keys of an issuer can also come from a file.",
    ),
    "CFG046": CodePage(
        "Tokens without a resource",
        "With `jwt` clients must be told where to get tokens, and what for (RFC 9728). That needs the address under "
        "which clients know this gate.",
        "Write `resource`, the address that clients use.",
    ),
    "CFG047": CodePage(
        "A policy cannot be read",
        "The policy file that a server names is not there, or the user that the gate runs as may not read it. A server "
        "without its policy is not served, and neither is any other: the file says what is to be guarded, or it does "
        "not.",
        "Check the path, which is relative to the folder of callgate.yaml, and the permissions.",
    ),
    "CFG048": CodePage(
        "Not a limit store",
        "`state` is not the URL of a kind of limit store that this version has.",
        "Write `memory://`, `sqlite:PATH` or `redis://HOST:PORT/DB`.",
    ),
    "CFG049": CodePage(
        "Anyone, and not anyone",
        "`allow_unauthenticated: true` says that anyone may call, `auth` says who may. Which is meant is not for "
        "the gate to guess.",
        "Delete one of the two.",
    ),
    "CFG050": CodePage(
        "A secret is not there",
        "A secret that callgate.yaml names by its place is not there: the environment variable is not set, the file "
        "cannot be read, it is empty, or holds more than one line.",
        "Put the secret where the message says, or change the place in callgate.yaml.",
    ),
    "CFG051": CodePage(
        "A session secret that is too short",
        "The secret that seals the ids of sessions is shorter than 32 characters: whoever guesses it can make up "
        "sessions.",
        "Make a long random one, say with `openssl rand -hex 32`, and put it where `sessions` says.",
    ),
    "CFG090": CodePage(
        "The reader died",
        "The process that reads callgate.yaml and the policies ended without a result: it was killed, took longer than "
        "30 seconds, or ran out of memory.",
        "Run `callgate config check` on the file. If the files are ordinary ones, report it.",
    ),
    "CFG092": CodePage(
        "A change that cannot be taken up while serving",
        "The changed configuration begins or ends to ask callers who they are. Whether it does is settled at the "
        "start, so that no edit opens a gate that was closed.",
        "Start the gate again to have the change.",
    ),
    "CFG091": CodePage(
        "The files keep changing",
        "callgate.yaml, or a policy that it names, changed each time it was read, so it may be half written. A prefix "
        "of a policy can be a valid policy without its last deny rules.",
        "Start the gate when nothing writes to the files.",
    ),
    "CFG101": CodePage(
        "A secret in plain text",
        "A value that looks like a secret, by the name of its header or variable, stands in callgate.yaml itself: "
        "whoever reads the file, its backups or its history has it.",
        "Put it into the environment or a file, and write `{env: NAME}` or `{file: PATH}`; "
        '`{env: NAME, prefix: "Bearer "}` for a bearer token. Replace the secret: this one has been written down.',
    ),
    "CFG102": CodePage(
        "Credentials over plain http",
        "The gate sends credentials to another machine over plain http: whoever is on the way can read and use them.",
        "Use https, or make sure that the network between the two is closed.",
    ),
    "CFG103": CodePage(
        "Limits that can be switched off",
        "`on_state_failure: allow` means that while the limit store does not answer, calls go on without any limit. "
        "Whoever can stop the store can spend without bounds.",
        "Leave it at `deny` unless calls are worth more to you than their limits.",
    ),
    "CFG104": CodePage(
        "No host name for others",
        "The gate listens at every address of the machine, and nothing says under which names: only requests that name "
        "a loopback host are served, so that no web page can reach the gate under a name of its own.",
        "Write `listen: {hosts: [NAME]}`, with the names that clients use.",
    ),
    "CFG105": CodePage(
        "A named file is not there",
        "A certificate, key, secret or folder that callgate.yaml names is not there now. The gate will not start, or "
        "not reach the server, without it; where the file is only checked, that may be as it should be.",
        "Check the path, which is relative to the folder of callgate.yaml.",
    ),
    "CFG106": CodePage(
        "A program that is not here",
        "`callgate config check` did not find the first word of a server's `command`: not on the PATH that the server "
        "would have, or not as a file that may be run, if it is a path (relative to the folder of callgate.yaml). The "
        "gate would start all the same, and say at the first session that the server cannot be started.",
        "Install the program, correct the word, or write its whole path. Where the file is only checked, and served "
        "elsewhere, that may be as it should be.",
    ),
    "CFG107": CodePage(
        "Anyone may call",
        "The gate listens beyond loopback and asks nobody who they are: whoever can reach it may use every tool that "
        "the policies allow. Limits of scope `identity` cannot tell callers apart.",
        "Write `auth`, unless something in front of the gate decides who may reach it.",
    ),
    "CFG108": CodePage(
        "An invisible character",
        "The file holds a character that hides or reorders text in an editor.",
        "Delete it, unless a script needs it.",
    ),
}
