"""Puts `callgate runner` together."""
