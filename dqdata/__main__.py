"""`python -m dqdata` is `dqdata`."""

from dqdata.cli import main

if __name__ == "__main__":
    main()
