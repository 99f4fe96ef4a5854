"""The runner: an MCP server that executes Python for agents, sandboxed, durable, under the gate's policy.

`server` takes calls → `jobs` keeps each execution's life → `sandbox` runs it → `bridge` carries the tool calls that
its script makes, judged like any other. `journal` is the only truth about what happened; the queue carries ids.
Works without the gate in front, and the gate works without it. Only here may the MCP SDK be imported.
"""
