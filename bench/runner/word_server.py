"""The least tool, by the official SDK, over stdio: answers with the word that it is given."""

from mcp.server import MCPServer

server = MCPServer("words")


@server.tool()
async def word(text: str) -> str:
    """Say it again."""
    return text


server.run()
