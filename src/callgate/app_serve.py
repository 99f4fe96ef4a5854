"""Puts the parts of `callgate serve` together."""
