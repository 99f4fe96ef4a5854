"""What the documentation says of each refused call (`callgate.denial_codes`)."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "DEN001": CodePage(
        "A rule denies the call",
        "A rule with `action: deny` applies to this tool, and its conditions hold for these arguments or could "
        "not be evaluated. A condition that cannot be evaluated (its argument is absent, or of another type) "
        "counts as if it held: a caller must not escape a rule by leaving something out.",
        "Do not repeat the call unchanged. If a condition could not be evaluated, send the argument it names. "
        "`callgate policy explain` shows which rule it was, and its line.",
    ),
    "DEN002": CodePage(
        "A condition is not met",
        "A rule states what must hold for this tool (`conditions` in an Intercept file, `require` in a hosted "
        "one), and one of its conditions does not: the argument has another value, is absent, or is of a type "
        "the operator cannot compare.",
        "Change the argument so that the condition holds, or ask the owner of the policy. "
        "`callgate policy explain` shows the condition beside the value that was sent.",
    ),
    "DEN003": CodePage(
        "A forbidden combination",
        "All conditions of a `deny_if` hold for this call, or some hold and the others could not be evaluated. "
        "A `deny_if` without conditions forbids every call of the tool.",
        "Change the arguments so that at least one of its conditions is plainly false.",
    ),
    "DEN004": CodePage(
        "An argument is missing",
        "The policy asks for every argument that the tool itself requires (`validate.required_args`), and at "
        "least one is absent or null.",
        "Send the arguments that the message names; the tool's own description says what they mean.",
    ),
    "DEN005": CodePage(
        "An argument is not valid",
        "The arguments do not satisfy the tool's input schema (`validate.schema`) or the schema that the policy "
        "gives for one argument (`validate.args`). The message says where, and which keyword failed; it does "
        "not repeat long values.",
        "Correct the argument that the message names.",
    ),
    "DEN006": CodePage(
        "The cost cannot be charged",
        "A limit of the policy spends the value of an argument (`cost`, or `increment_from`), and that argument "
        "is absent, not a number, negative, or longer than 100 digits before or after the decimal point. A string "
        "that holds a number is not a number.",
        "Send the argument as a plain JSON number that is zero or more.",
    ),
    "DEN007": CodePage(
        "The counter cannot be chosen",
        "A limit keeps one counter for each value of an argument (`per`), and that argument is absent, null, a "
        "list or an object.",
        "Send the argument as a string, number or boolean.",
    ),
    "DEN008": CodePage(
        "The tool's schema is not known",
        "The policy checks the arguments against the tool's own input schema, and the server has not published "
        "one for this name: it may not offer the tool, or offers it twice.",
        "Ask the server for its tools again (`tools/list`) and call one that it lists. A policy that should "
        "work without the server's schema can use `validate.args`.",
    ),
    "DEN009": CodePage(
        "The schema cannot be used",
        "The schema that the arguments would be checked against is not valid JSON Schema, refers to something "
        "outside itself (nothing is ever fetched), refers to itself without end, or is so large, deep or "
        "entangled that checking it could stall the gate; or the arguments are nested deeper than 200 levels. "
        "What cannot be checked is refused.",
        "Report it to the author of the server, or of the policy if the message names an argument under "
        "`validate.args`. `callgate policy explain --tools` repeats the check at your desk.",
    ),
    "DEN010": CodePage(
        "A person must approve",
        "A rule with `action: require_approval` applies. Nobody has approved this call.",
        "Ask a person. Until approvals can be given, such a call is never forwarded.",
    ),
    "DEN011": CodePage(
        "Not on the list",
        "The policy says `default: deny`, and this tool is either not listed or none of its allow rules applies "
        'to these arguments. The entry `"*"` lists nothing.',
        "Use a listed tool. To allow this one, list it under `tools` with `rules: []` or an allow rule.",
    ),
    "DEN012": CodePage(
        "A name that is nearly one of the policy's",
        "The tool's name differs from one in the policy only in case, white space, invisible characters or "
        "compatibility forms of letters. A server may take the two for the same tool, so that the rules of the "
        "one in the policy would be avoided; such a call is refused.",
        "Use the name exactly as `tools/list` gives it. If the server does call its tool so, write that name in "
        "the policy too.",
    ),
    "DEN013": CodePage(
        "A hidden tool",
        "The policy hides this tool. The agent is answered as for a tool that does not exist; this code "
        "appears in the record only.",
        "None for the agent. Remove the name from `hide` if it should be seen.",
    ),
    "DEN014": CodePage(
        "An argument's name is nearly one of the policy's",
        "A rule of this tool looks at an argument, and the call has one whose name differs from it only in case, "
        "white space, invisible characters or compatibility forms of letters, such as `Amount` beside `amount`. A "
        "server that ignores such differences would take it for the argument that the rules look at, and they "
        "would not see it; such a call is refused.",
        "Use the name exactly as the tool's input schema gives it. If the tool does have an argument of that other "
        "name too, write a rule that names it, such as `validate: {args: {Amount: true}}`.",
    ),
    "DEN020": CodePage(
        "A limit is reached",
        "The call would spend more than a rate limit leaves in its window. Nothing was spent, also on the "
        "other limits that apply.",
        "Wait the seconds that the message names. If it names none, this call alone is larger than the limit "
        "and waiting does not help.",
    ),
    "DEN021": CodePage(
        "Too many counters",
        "A limit with `per` keeps one counter for each value, and has reached the number it may keep. The bound "
        "exists so that a caller can neither fill the memory nor avoid a limit with ever new values.",
        "Use a value that was used before, or wait until earlier counters have run out.",
    ),
    "DEN022": CodePage(
        "A counter forbids the call",
        "A condition on a counter (`state.<tool>.<counter>` in an Intercept file) does not hold now.",
        "Wait until the counter's window has passed, or do first what raises the counter.",
    ),
    "DEN030": CodePage(
        "The limit store cannot answer",
        "The call is subject to a limit, and the store that counts is broken, full, locked or unreadable. What "
        "cannot be counted is not forwarded.",
        "Try again in a moment, or after `retry_after` seconds where that is given. For the operator: the gate's log "
        "and the audit's `store_failed` events say what is wrong with the store; it recovers by itself when the "
        "store does. Agents are not told where the store is or what ails it.",
    ),
    "DEN031": CodePage(
        "The record cannot be written",
        "The audit cannot be written, and what cannot be recorded is not forwarded.",
        "Try again in a moment. For the operator: check that the disk of the audit has room and the file may "
        "be written.",
    ),
    "DEN032": CodePage(
        "The arguments are too long to be recorded",
        "The audit keeps arguments in full, and the record of this call would be longer than a line of the audit may "
        "be (16 MiB; a character that is not ASCII takes up to twelve bytes there). What cannot be recorded is not "
        "forwarded. The refusal is recorded with the hash of the arguments; other calls go on, and nothing was spent.",
        "Send less at a time. For the operator: record arguments as `hash` or `redacted`, or lower the largest frame "
        "that the gate accepts.",
    ),
    "DEN040": CodePage(
        "The execution has made its calls",
        "The policy bounds how many calls one execution of code may make (`per_execution.max_calls`), and this one has "
        "made as many. Calls that were refused do not count; calls answered from the journal count once.",
        "Do the rest in another execution, or fetch more with each call. Waiting does not help.",
    ),
    "DEN041": CodePage(
        "Too many refused calls in one execution",
        "Calls of this execution were refused as often as the policy lets pass (`per_execution.max_denied`), so every "
        "further call is refused. Code that keeps trying what it may not do gains nothing by going on.",
        "Look at what was refused before, and correct the code. Waiting does not help.",
    ),
    "DEN042": CodePage(
        "The execution has made its calls of this tool",
        "The policy bounds how many calls of this tool, or of all tools that match a pattern, one execution may make "
        "(`per_execution.tools`), and this one has made as many.",
        "Do the rest in another execution, or fetch more with each call. Waiting does not help.",
    ),
    "DEN070": CodePage(
        "An internal failure",
        "The gate met a case that it was not made for while it judged the call, and refused it.",
        "This is a bug: please report it with the output of `callgate policy explain` for the same call.",
    ),
}
