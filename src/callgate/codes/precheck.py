"""Codes of the checks before a script runs (RUN100 to RUN139): nothing has run or is stored when one is told."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "RUN101": CodePage(
        "not valid Python",
        "The script cannot be compiled. Line and column say where the compiler gave up, which may be after the "
        "mistake itself. A null character or a lone surrogate is not text of a script either.",
        "Correct the syntax. A script is a module: `return` and `await` have no place at its top level.",
    ),
    "RUN102": CodePage(
        "too much to read",
        "Compiling the script would take more nesting, time or memory than a script is given. Some short texts make "
        "Python's own parser take gigabytes, so this is bounded.",
        "Write it in more and simpler statements; put data into `input_vars` rather than into the script.",
    ),
    "RUN103": CodePage(
        "script too long",
        "The script has more characters than one may have.",
        "Put data into `input_vars`, or split the work into several executions with one `session_id`.",
    ),
    "RUN104": CodePage(
        "a script is synchronous",
        "`async`, `await` and event loops are refused: tools are plain functions, and nothing in a script needs a "
        "loop.",
        "Call functions plainly. To do several things at once, use `concurrent.futures.ThreadPoolExecutor`.",
    ),
    "RUN105": CodePage(
        "variables are used by name",
        "`globals()`, `locals()`, `vars()` without an argument and the attributes behind them are refused: what goes "
        "in and comes out could not be seen in the script.",
        "Use the names themselves, or a dict of your own.",
    ),
    "RUN106": CodePage(
        "another HTTP client",
        "`requests`, `aiohttp`, `urllib3` and the like are refused. The client for scripts is `httpx`.",
        "`httpx.get(…)` takes the same arguments as `requests.get(…)`. If scripts have no network here, call a tool.",
    ),
    "RUN107": CodePage(
        "no such module",
        "The module is neither part of Python nor among the packages that are there. With `additional_imports` this "
        "is a warning: the module may come along with what is asked for.",
        "Put the package into `additional_imports`, or use what the message names. An import inside `try` with "
        "`except ImportError` is left alone.",
    ),
    "RUN108": CodePage(
        "relative import",
        "A script is a single module outside any package: there is nothing to import relatively from.",
        "Import by the full name, or put the code into the script.",
    ),
    "RUN109": CodePage(
        "nothing can be reached",
        "The module is for talking to other hosts, and scripts have no network here. This is a warning.",
        "Call a tool of a server instead. An operator can allow hosts with `runner.network`.",
    ),
    "RUN110": CodePage(
        "one process",
        "A script is a single process: it can start neither a program nor a copy of itself. Threads work.",
        "Use `concurrent.futures.ThreadPoolExecutor`, or a library in place of a program.",
    ),
    "RUN111": CodePage(
        "no terminal",
        "`input()` fails: standard input is empty.",
        "Give values in `input_vars`.",
    ),
    "RUN112": CodePage(
        "no such tool function",
        "The script uses a name that begins with `mcp_`, which it does not define and which is no function of a "
        "server here.",
        "Look for the right name with `searchTools`. Names are `mcp_<Server>_<tool>`, upper and lower case as told.",
    ),
    "RUN115": CodePage(
        "not the name of a variable",
        "A name in `input_vars` or `output_vars` is not a Python identifier, or is a keyword.",
        "Use letters, digits and `_`, not beginning with a digit.",
    ),
    "RUN116": CodePage(
        "name is the runner's own",
        "Names that begin with `mcp_` or `__`, `secrets` and `report_progress` belong to the runner.",
        "Give the variable another name.",
    ),
    "RUN117": CodePage(
        "unknown type",
        "`output_vars` maps each variable to the name of its type, and this name is not known.",
        "Use one of the types that the message lists, as in `list[str]` or `int | null`.",
    ),
    "RUN118": CodePage(
        "output variable without a value",
        "`output_vars` names a variable that nothing at the top level of the script gives a value. What a function "
        "assigns is the function's own.",
        "Assign it at the top level, as in `total = compute()`.",
    ),
}
