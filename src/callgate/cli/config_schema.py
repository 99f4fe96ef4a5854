"""`callgate config schema`: the JSON Schema of callgate.yaml, for editors."""

import argparse
import sys

from callgate.config.schema import config_schema
from callgate.policy.normalized import to_json

SUMMARY = "print the JSON Schema of callgate.yaml, for editors"

EXAMPLES = """\
examples:
  callgate config schema > callgate.schema.json

then begin callgate.yaml with
  # yaml-language-server: $schema=callgate.schema.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Print the schema on stdout."""
    sys.stdout.write(to_json(config_schema()) + "\n")
    return 0
