"""`python -m softmaxd`: the same as the `softmaxd` command."""

import sys

from softmaxd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
