"""`callgate policy schema`: the JSON Schema of policy files in the native form, for editors."""

import argparse
import sys

from callgate.policy.normalized import to_json
from callgate.policy.schema import policy_schema

SUMMARY = "print the JSON Schema of the native form, for editors"

EXAMPLES = """\
examples:
  callgate policy schema > callgate-policy.schema.json

then begin a policy with
  # yaml-language-server: $schema=callgate-policy.schema.json

It fits the native form only. Intercept and hosted files are read too: `callgate policy check` checks all forms.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Print the schema on stdout."""
    sys.stdout.write(to_json(policy_schema()) + "\n")
    return 0
