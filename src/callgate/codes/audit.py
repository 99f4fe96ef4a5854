"""Codes of the audit: writing (AUD0xx) and what verification finds (AUD1xx)."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "AUD001": CodePage(
        "audit file cannot be opened",
        "The file named by `--audit`, or its directory, does not exist, cannot be created or may not be "
        "opened by this user. Without a record nothing is forwarded, so the gate does not start; if it "
        "happens while the gate runs (after the file was rotated away), calls are denied.",
        "Create the directory and give the gate's user the right to write in it. A running gate tries "
        "again with every call.",
    ),
    "AUD002": CodePage(
        "audit is not a regular file",
        "The path names a symbolic link, a FIFO, a socket, a device or a directory. A link could lead the"
        " gate to write into another file; of the others the end cannot be read, and nothing on them is "
        "durable.",
        "Name a regular file. To send records elsewhere, let another program follow the file.",
    ),
    "AUD003": CodePage(
        "not an audit file",
        "The last whole line of the file is not an audit record that follows the line before it. Either "
        "the file is something else, or its end was changed or damaged. The gate never appends to such a "
        "file.",
        "If the path is wrong, correct it. If it is an audit, run `callgate audit verify` on it, keep it "
        "as it is, and let the gate begin a new file.",
    ),
    "AUD004": CodePage(
        "audit cannot be written",
        "The records could not be written, or not brought to the disk: no space, a quota, a limit on the "
        "size of files, an error of the disk. What had been written of them was removed again, and the "
        "calls were denied.",
        "Make room or repair the disk. The next call tries again by itself.",
    ),
    "AUD005": CodePage(
        "audit is locked",
        "Another process has held the lock of the file for several seconds. Gates that share a file hold "
        "it for the time of one write; one that was stopped in the middle holds it until it goes on or "
        "ends.",
        "Find the process with `fuser FILE` or `lslocks`, and continue or end it; or give each gate a "
        "file of its own.",
    ),
    "AUD006": CodePage(
        "record cannot be encoded",
        "A record would be longer than a line of the audit may be, or holds something that is not JSON. "
        "This can only come of arguments that are recorded in full. Calls are denied for it one by one, with "
        "DEN032, before the audit is asked: as an error of the audit it is a fault of the gate.",
        "Record arguments as `hash` or `redacted`, or lower the largest frame that the gate accepts.",
    ),
    "AUD007": CodePage(
        "audit belongs to another user",
        "The file exists and is owned by a user other than the one the gate runs as. Its owner could "
        "rewrite it at any time.",
        "Give the file to the gate's user (`chown`), or name another one.",
    ),
    "AUD008": CodePage(
        "audit is closed",
        "A record was to be written after the audit had been closed. Nothing was forwarded for it.",
        "This is a fault of the program that embeds the audit: close it last.",
    ),
    "AUD009": CodePage(
        "not a hash",
        "The value of `--head` is not the SHA-256 hash of a record.",
        "Give the 64 hex digits that `callgate audit verify` printed after `head`.",
    ),
    "AUD010": CodePage(
        "audit cannot be read",
        "The file to verify does not exist or may not be read by this user.",
        "Check the path. Audit files are readable for their owner alone: run the command as that user.",
    ),
    "AUD101": CodePage(
        "record changed",
        "The hash of the line was computed from other bytes, or after another line: this record was "
        "changed after it was written, or the hash at the end of the line before it was, or it comes from"
        " elsewhere.",
        "Compare with a copy. Everything up to the line before is as it was written.",
    ),
    "AUD102": CodePage(
        "records missing",
        "The sequence numbers jump: records between the two lines were removed.",
        "Look for the records in a copy; the missing numbers are those between the two lines.",
    ),
    "AUD103": CodePage(
        "record repeated",
        "The same line stands in the file twice in a row.",
        "The gate never writes a line twice: somebody copied it. The first one is the record.",
    ),
    "AUD104": CodePage(
        "records out of order",
        "A record has a lower sequence number than its place in the file: records were moved, inserted or"
        " copied, or two files were joined.",
        "Verify each file by itself if they were joined; else compare with a copy.",
    ),
    "AUD105": CodePage(
        "not a record",
        "A line does not have the form of an audit record: it was changed, inserted, or overwritten by "
        "something else.",
        "Compare with a copy. The records around it are still checked.",
    ),
    "AUD106": CodePage(
        "beginning missing or unknown",
        "An audit begins with a record of kind `start` that states the version of the format. It is "
        "missing, or names a version that this program does not know.",
        "If the format is newer, verify with a newer Callgate. Else records were removed from the beginning.",
    ),
    "AUD107": CodePage(
        "last line cut off",
        "The file ends in the middle of a line. A crash or a power failure in the middle of a write does "
        "that, and nothing was ever forwarded on the strength of such a record; so does somebody who cuts"
        " the file.",
        "If a gate crashed, start it again with the same file: it removes the rest of the line, records "
        "that it did, and goes on.",
    ),
    "AUD108": CodePage(
        "noted hash not found",
        "No record of the file has the hash given with `--head`. A hash that was once in an audit stays "
        "there: records were removed from the end, the file was written anew, or the hash belongs to "
        "another file.",
        "Check that the hash was noted of this file and not of one before it; else compare with a copy.",
    ),
    "AUD109": CodePage(
        "removal noticed by the gate",
        "While it ran, the gate found the file shorter than it had left it. It noted in the file how many"
        " bytes were gone and the last hash it had written.",
        "Find out who truncated the file. A rotation that empties the file entirely is recognised and "
        "begins a new chain instead.",
    ),
}
