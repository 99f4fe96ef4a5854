"""The tool calls that scripts make: judged by the gate's own decision path, then made with the operator's secrets.

Nothing here knows a sandbox. No call goes on without a decision, a record and a place in the journal.
"""
