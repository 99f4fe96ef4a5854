"""Callgate: hard limits for the tool calls of AI agents.

Importing this package must stay free: `callgate run` starts in milliseconds, so nothing is imported here.
"""

__version__ = "0.1.0"
