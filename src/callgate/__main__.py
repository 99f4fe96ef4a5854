"""`callgate` and `python -m callgate`."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` looks for modules in the working directory first, where an agent may have put some.
    del sys.path[0]

from callgate.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
