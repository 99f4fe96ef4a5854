"""Part of the runner."""
