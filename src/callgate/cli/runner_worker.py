"""`callgate runner worker`: runs what runners on any machine have accepted."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "run executions that runners on any number of machines have accepted"
EXAMPLES = """examples:
  callgate runner worker -c callgate.yaml --queue redis://10.0.0.5/0 --journal postgresql://runner@10.0.0.6/runner

SIGTERM: takes up nothing more, gives what is under way some time to end (`runner.drain`), and hands the rest on.
Exit status: 0 told to end, 2 usage, 3 configuration or policy,
5 journal, queue, package cache, state or audit, 6 sandbox."""


def configure(parser: "ArgumentParser") -> None:
    """Declare the options."""
    from callgate.cli.runner_shared import add_common

    add_common(parser)


def run(options: "Namespace") -> int:
    """Work until told to end."""
    from callgate.cli.runner_shared import load_app, options_of
    from callgate.transports.spawner import fork_nursery

    spawner = fork_nursery()
    try:
        status: int = load_app().work(options_of(options), spawner)
        return status
    finally:
        spawner.close()
