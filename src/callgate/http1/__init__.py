"""HTTP/1.1 in callbacks: bounded, strict, for one thread and one event loop. Knows HTTP, not MCP and not policy."""
