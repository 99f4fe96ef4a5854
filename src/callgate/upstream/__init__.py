"""The servers behind the gate: Streamable HTTP and stdio children, behind one contract."""
