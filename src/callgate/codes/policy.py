"""What the documentation says of each finding about a policy file. POL1xx are warnings."""

from callgate.codes.page import CodePage

_NATIVE_OR_OTHER = (
    "A file has one form. The native form has no `version`; Intercept files and hosted files begin with "
    '`version: "1"` and have keys of their own.'
)

CODES: dict[str, CodePage] = {
    "POL001": CodePage(
        "Unknown key",
        "A mapping holds a key that is not one of its keys. It is refused because a misspelt limit that "
        "is silently "
        "ignored is no limit.",
        "Correct the spelling, or move the key to where it belongs. The help names the nearest key; the "
        "policy "
        "reference lists them all.",
    ),
    "POL002": CodePage(
        "Wrong kind of value",
        "A value is of another kind than its key needs: a text where a list belongs, nothing where a "
        "mapping belongs. "
        "Words such as `true`, and digits, are texts only in quotes.",
        "Write a value of the kind that the message names.",
    ),
    "POL003": CodePage(
        "Not one of the words",
        "The key takes one of a few words, and this is none of them. Case matters.",
        "Write one of the words that the message lists.",
    ),
    "POL004": CodePage(
        "A key is missing",
        "A mapping lacks a key without which it means nothing, such as `rules` of a tool or `window` of "
        "a limit.",
        "Add the key. To allow a tool without conditions write `rules: []`.",
    ),
    "POL005": CodePage(
        "Unusable name",
        "A name is empty, longer than 256 characters, or holds a character that cannot be seen. Such a "
        "name could "
        "look like another one.",
        "Type the name anew.",
    ),
    "POL006": CodePage(
        "Unusable pattern",
        "A tool pattern has a bracket that is never closed, an empty set, or a range that runs backwards.",
        "Patterns use `*` (any text), `?` (one character) and `[abc]`, `[a-z]`, `[!a-z]`. A literal "
        "bracket is `[[]`.",
    ),
    "POL007": CodePage(
        "Keys that exclude each other",
        "A rule holds two keys that cannot both have an effect, such as a limit in a rule that denies "
        "every call.",
        "Write two rules. In the native form `when` says which calls a deny rule is for.",
    ),
    "POL008": CodePage(
        "Listed twice",
        "A list names the same thing twice, which is probably a slip for something else.",
        "Delete or correct one of the two.",
    ),
    "POL010": CodePage(
        "The file cannot be read",
        "There is no such file, it is a directory, or this user may not read it. Without a policy "
        "nothing is started.",
        "Check the path and its permissions; a path is relative to the current directory.",
    ),
    "POL011": CodePage(
        "The file is too large",
        "A policy file holds at most 1 MiB.",
        "Split the policy by server, or use patterns in place of long lists.",
    ),
    "POL012": CodePage(
        "The file is not UTF-8",
        "Policy files are UTF-8, with or without a byte order mark. Read in another encoding, a name "
        "could change.",
        "Save the file as UTF-8.",
    ),
    "POL013": CodePage(
        "A character that is not allowed",
        "The file holds a control character, or a line break that only some programs take for one "
        "(U+0085, U+2028, "
        "U+2029, a lone carriage return). With such a break a reviewer could see a comment where the "
        "gate sees a rule.",
        "Delete the character, or write it as an escape in a double-quoted text. End lines with a line feed.",
    ),
    "POL014": CodePage(
        "Not readable as YAML",
        "The file breaks the rules of YAML at this place, or a little before it: an unclosed quote or "
        "bracket, a key "
        "out of line, a tab used to indent. Only the first such mistake of a file can be found.",
        "Look at the place, and at the line where the message says that something starts.",
    ),
    "POL015": CodePage(
        "More than one document",
        "A policy is one YAML document; a second one, after `---`, would be ignored.",
        "Keep one document in the file.",
    ),
    "POL016": CodePage(
        "Nested too deep",
        "Lists and mappings are nested more than 64 levels deep, aliases unfolded.",
        "Use fewer levels; no policy needs as many.",
    ),
    "POL017": CodePage(
        "Too many values",
        "Aliases unfolded, the file stands for more than 200000 values. A few lines of aliases can stand "
        "for billions, "
        "which is a known attack.",
        "Use fewer aliases.",
    ),
    "POL018": CodePage(
        "An alias without its anchor",
        "An alias (`*name`) refers to an anchor (`&name`) that does not come before it, or that it "
        "stands inside of.",
        'Define the anchor before the alias, or quote a text that begins with a star: `"*"`.',
    ),
    "POL019": CodePage(
        "A tag",
        "YAML tags (`!!str`, `!anything`) are not read. In other programs they can construct objects.",
        "Delete the tag. Quotes make a text; digits without quotes make a number.",
    ),
    "POL020": CodePage(
        "A merge key",
        "The key `<<` belongs to YAML 1.1 and hides which value wins.",
        "Repeat the keys, or let an alias stand for a whole value.",
    ),
    "POL021": CodePage(
        "A key that is not text",
        "A key is a number, a truth value, empty, or a whole list or mapping. Programs disagree on what "
        "it would be.",
        'Put the key in quotes: `"404":`.',
    ),
    "POL022": CodePage(
        "Duplicate key",
        "A mapping holds the same key twice, perhaps once in quotes. One of the two values would be "
        "lost, and which one "
        "depends on the program.",
        "Join the two, or delete one.",
    ),
    "POL023": CodePage(
        "No policy",
        "The file is empty or rules nothing, and would allow every call.",
        "Write `default: deny`, `hide`, `tools` or `per_execution`. To allow everything on purpose write "
        "`default: allow`.",
    ),
    "POL024": CodePage(
        "A number that cannot be exact",
        "Infinity, not-a-number, and numbers with more than 100 digits or a very large exponent are not "
        "used: amounts "
        "are exact.",
        "Write plain digits.",
    ),
    "POL025": CodePage(
        "Too many errors",
        "The file has more errors than are listed.",
        "Repair those that are listed and check again.",
    ),
    "POL026": CodePage(
        "A directive",
        "The file begins with a `%YAML` or `%TAG` line. It is read as YAML 1.2 whatever the line says, "
        "and tags are "
        "not read.",
        "Delete the line. `%YAML 1.2` may stay.",
    ),
    "POL027": CodePage(
        "Empty",
        "A part that is there to ask for something asks for nothing, such as `when: {}`. Taken literally "
        "it would hold "
        "for every call, which is rarely meant.",
        "Fill it, or leave the key out.",
    ),
    "POL030": CodePage(
        "The form of the file is not clear",
        f"The file has keys of two forms, or lacks the `version` of the form it looks like. "
        f"{_NATIVE_OR_OTHER}",
        "Write the whole file in the form that the message names; `version` belongs to Intercept and "
        "hosted files only.",
    ),
    "POL031": CodePage(
        "Unknown version",
        f"The value of `version` is not 1. {_NATIVE_OR_OTHER}",
        'Write `version: "1"`, or delete the key in a native file.',
    ),
    "POL040": CodePage(
        "Not a path",
        "A path says what a condition, a counter or a cost looks at: `args.` and an argument's name, or "
        "one of "
        "`identity`, `session`, `server` and `tool`. A `cost` is always an argument.",
        "Write `args.amount` for the argument `amount`.",
    ),
    "POL041": CodePage(
        "Unknown operator",
        "A condition compares by one of eleven operators: eq, neq, in, not_in, lt, lte, gt, gte, regex, "
        "contains, "
        "exists.",
        "Write one of them.",
    ),
    "POL042": CodePage(
        "The operator cannot use this value",
        "`in` and `not_in` need a list, `lt`, `lte`, `gt` and `gte` a number, `exists` true or false, "
        "`regex` a text. "
        "A value that is not written at all is not null.",
        "Write a value of that kind. Numbers stand without quotes.",
    ),
    "POL043": CodePage(
        "Invalid regular expression",
        "RE2 does not accept the expression. RE2 takes time linear in the length of the text, which is "
        "why it has no "
        "look-around and no back-references; very large expressions are refused too.",
        "Rewrite the expression. In single quotes a backslash is written once.",
    ),
    "POL050": CodePage(
        "Not a rate limit",
        "A rate limit is a number and a window, and this is not one of its spellings.",
        "Write `10/minute`, `10/60s` or `{max: 10, window: 60}`. In Intercept files: `10/minute`, "
        "`10/hour`, `10/day`.",
    ),
    "POL051": CodePage(
        "Impossible window",
        "A window, or the longest time of an execution, is from one millisecond to 366 days, in whole milliseconds.",
        "Write seconds as a number, or `500ms`, `90s`, `1m`, `1.5h`, `1d`.",
    ),
    "POL052": CodePage(
        "Impossible maximum",
        "A maximum is not negative, and is whole unless the limit adds up a `cost`. Budgets of executions are at most "
        "1,000,000,000.",
        "Write a whole number; 0 admits nothing.",
    ),
    "POL055": CodePage(
        "A method of the protocol",
        "`allow_methods` lets unknown methods pass unjudged. It must not match a method that the "
        "protocol defines: "
        "`tools/call`, say, would escape every rule.",
        "Name methods outside the protocol only, as narrowly as you can.",
    ),
    "POL060": CodePage(
        "Not a JSON Schema",
        "A schema under `validate.args` is not valid by JSON Schema 2020-12, or cannot be compiled. "
        "Expressions in "
        "`pattern` have no look-around, no back-references and a bounded size.",
        "Correct the keyword at the place that is shown.",
    ),
    "POL061": CodePage(
        "A reference out of the schema",
        "A `$ref` names something outside of its schema. Nothing is ever fetched.",
        "Copy what it refers to, for example under `$defs`, and refer to `#/$defs/name`.",
    ),
    "POL062": CodePage(
        "Unknown JSON Schema keyword",
        "JSON Schema ignores keywords it does not know, so a misspelt `maximum` would check nothing.",
        "Correct the spelling. Names that begin with `x-` are free for notes.",
    ),
    "POL070": CodePage(
        "A counter that nothing counts",
        "A condition looks at `state.<tool>.<counter>`, but no rule has a `state` block with this "
        "counter. It would "
        "always be 0.",
        'Add the `state` block, or correct the path. Counters of `"*"` are `state._global.<counter>`.',
    ),
    "POL071": CodePage(
        "A counter with two rules",
        "Two rules count the same counter, and each call would be counted twice or by two different limits.",
        "Use another name or another window for one of them.",
    ),
    "POL072": CodePage(
        "An operator that cannot look at a counter",
        "A counter is a number; `regex` and `contains` need a text or a list.",
        "Compare with `lt`, `lte`, `gt`, `gte`, `eq` or `neq`.",
    ),
    "POL073": CodePage(
        "A rule without a condition",
        "A rule of an Intercept file states what must hold, and this one states nothing.",
        "Add `conditions` or `rate_limit`, or write `action: deny`. To allow the tool write `rules: []`.",
    ),
    "POL074": CodePage(
        "A pattern where names are exact",
        "Intercept files and hosted files match names of tools letter by letter, so that `delete_*` "
        "would protect "
        "nothing but a tool of that very name.",
        "Name each tool, or use the native form, which has patterns.",
    ),
    "POL075": CodePage(
        "Impossible increment",
        "The `increment` of a counter is 0 or negative, so that calls would not use up the limit.",
        "Write a number above 0, or leave it out for 1.",
    ),
    "POL101": CodePage(
        "A rule under a denied tool",
        "Another rule denies every call of this tool, so this rule never matters.",
        "Delete one of the two, or give the deny rule a `when`.",
    ),
    "POL102": CodePage(
        "Conditions that contradict each other",
        "No value can meet all conditions of this `when`, so the rule can only ever apply where its argument is "
        "absent or of another type.",
        "Change one of them; write two rules if either should do. Several values for one path are a list.",
    ),
    "POL103": CodePage(
        "Rules for a hidden tool",
        "The tool is hidden, and a hidden tool is never called: its rules never matter.",
        "Delete the rules, or take the tool out of `hide`.",
    ),
    "POL104": CodePage(
        "Hidden twice",
        "`hide` lists the same name or pattern twice.",
        "Delete one, or correct it.",
    ),
    "POL105": CodePage(
        "A duplicate rule",
        "The tool has another rule that says the same. Two equal limits count separately and refuse "
        "together.",
        "Delete one.",
    ),
    "POL106": CodePage(
        "`*` does not list tools",
        "Under `default: deny` a tool must be listed by an entry of its own. Rules under `*` apply on "
        "top and rescue "
        "nothing, so a plain allow rule there changes nothing.",
        "Name the tools to allow, or write `default: allow`.",
    ),
    "POL107": CodePage(
        "A limit that is never reached",
        "Another limit of the same rule counts the same calls, and admits no more of them in at least as "
        "long a window.",
        "Delete the looser limit, or correct one of the two.",
    ),
    "POL108": CodePage(
        "A limit that admits nothing",
        "With a maximum of 0 every call is refused.",
        "Write `action: deny` if that is meant.",
    ),
    "POL109": CodePage(
        "An invisible character",
        "The file holds a character that is not seen or that changes the direction of text, so that a "
        "reviewer may "
        "read something else than the gate.",
        "Delete it, unless a script needs it.",
    ),
    "POL110": CodePage(
        "Everything is denied",
        "The default is deny, and no tool is listed.",
        "List the tools to allow: `search_code: {rules: []}`.",
    ),
    "POL111": CodePage(
        "A reason nobody reads",
        "A rule that allows, without limits or checks, refuses no call, so its reason is never shown.",
        "Move the reason to the rule that refuses.",
    ),
    "POL112": CodePage(
        "A tool that can never be allowed",
        "The default is deny, so a tool needs a rule that allows it, and the rules of this entry only say when to "
        "deny. No other entry allows the tool either.",
        "Add a rule that allows: `{action: allow}`, or one with a `rate_limit` or `validate`. To deny the tool on "
        "purpose write a rule with `action: deny` and no `when`, or leave the tool out.",
    ),
    "POL113": CodePage(
        "A budget that can be multiplied",
        "A limit keeps one counter for each value of an argument (`per`), and nothing in this entry says which "
        "values there are. A caller who makes up a new value gets a full budget with it, and values count by their "
        'exact spelling: "usd" and "USD " are two.',
        "Name the values, with `validate: {args: {currency: {enum: [usd, eur]}}}` or a `pattern`, or put a limit "
        "without `per` beside this one: it bounds what all values may spend together.",
    ),
    "POL091": CodePage(
        "the policy keeps changing",
        "Something wrote to the policy file each time it was read. What was read may be half of what it is meant to "
        "be, and half a policy can be valid without its last deny rules.",
        "Find out what writes to the file. Replace policies by renaming a finished file over the old one.",
    ),
    "POL114": CodePage(
        "An expression that a line break evades",
        "A rule denies what an expression finds, and in RE2 `.` matches every character but a newline. `rm .*-rf` "
        "does not find the words if there is a newline between them, and a shell may still run them.",
        "Begin the expression with `(?s)`: `(?s)rm .*-rf`. If only single lines are meant, write `[^\\n]*` for `.*`.",
    ),
    "POL115": CodePage(
        "A budget that never matters",
        "`per_execution` allows a tool as many calls as an execution may make in all, or more.",
        "Make the tool's budget smaller than `max_calls`, or delete it.",
    ),
    "POL090": CodePage(
        "the policy's reader died",
        "A policy is read in a process of its own, with bounds on its time (20 s of CPU) and memory. That process "
        "ended without a result: the file is far too entangled, or the machine is out of memory.",
        "Run `callgate policy check FILE`. Simplify what the file nests or repeats; look at the machine's memory.",
    ),
}
