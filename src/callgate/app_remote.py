"""Puts the parts of `callgate run --upstream` together."""
