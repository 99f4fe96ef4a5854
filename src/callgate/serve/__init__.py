"""The gate over HTTP: agents on one listener, many servers behind it."""
