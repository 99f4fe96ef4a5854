"""The truth about executions: SQLite on one machine, PostgreSQL for several. Nothing else remembers anything."""
