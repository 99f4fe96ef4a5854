"""`callgate policy schema`: the JSON Schema of native policy files, for editors."""

import argparse
import sys

from callgate.policy.normalized import to_json
from callgate.policy.schema import policy_schema

SUMMARY = "print the JSON Schema of policy files, for editors"

EXAMPLES = """\
examples:
  callgate policy schema > callgate-policy.schema.json

then begin a policy with
  # yaml-language-server: $schema=callgate-policy.schema.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Print the schema on stdout."""
    sys.stdout.write(to_json(policy_schema()) + "\n")
    return 0
