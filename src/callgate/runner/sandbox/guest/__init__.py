"""What runs inside the sandbox: it sets its own walls, then runs one script.

Standard library only, for any CPython from 3.11 on: the package is bound into the sandbox on its own and knows nothing
of the rest of Callgate. Every module it imports makes each start slower: `typing` is for the type checker only.
It is no authority either: after the script has begun, whatever it writes is hostile text.
"""
