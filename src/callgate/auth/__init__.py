"""Who is calling: API keys, JWT bearer tokens, protected-resource metadata. Knows neither MCP nor policy."""
