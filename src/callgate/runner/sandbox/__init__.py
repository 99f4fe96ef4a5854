"""Where scripts run. `contract` is what the rest knows; `bwrap` and `monty` are the backends; `guest` runs inside.

Never unpickles and never trusts: whatever comes out of a sandbox is hostile text.
"""
