"""The tier `weak`: Landlock, a filter of system calls and limits, and no namespaces, where none are to be had.

Runs only where the operator accepts it by name; `accepted` is where that is decided, and says so. What a script behind
these walls can still learn: whether a path exists, and its size, owner and times (never what is in it); the names of
what is installed into the interpreter; that a process exists; the machine's name, load and kernel. What it can still
use up: file space that it has unlinked and keeps open, up to `watch.WRITTEN` times its bound, and what it does between
two looks of the host.
"""
