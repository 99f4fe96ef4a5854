"""The second backend: scripts in Monty, an interpreter for a part of Python that has nothing to reach out with.

One execution is two processes that nothing else uses: `child`, which drives the interpreter's library, and the
library's own worker, which interprets. Neither touches the runner's process: a hang, a crash or a greedy value of a
script ends those two and nothing more. There is no wall of the operating system around them but resource limits;
hence the tier `interpreter`, which operators have to accept by name.
"""
