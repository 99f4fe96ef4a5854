"""The backend `bwrap`: each script in namespaces of its own, made by bubblewrap, behind all walls of the security page.

`backend` is what the rest sees. `system` and `command` say what a sandbox is made of, `process` holds one, `pool` has
some ready, `run` carries one script through one, `selftest` tries the walls before anything is served.
"""
