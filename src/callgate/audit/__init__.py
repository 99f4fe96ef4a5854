"""The audit: who called what, what was decided, what came of it, in a file that shows any change.

`record` is what is written, `jsonl` writes it, `chain` is the form of a file, `verify` reads one back.
No record, no forward: when `append` raises, the caller forwards nothing.
"""
