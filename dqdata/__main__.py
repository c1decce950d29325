"""`python -m dqdata` is `dqdata`."""

import sys

from dqdata.cli import main

if __name__ == "__main__":
    sys.exit(main())
