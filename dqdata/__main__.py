"""The program `dqdata`, also as `python -m dqdata`: Ctrl-C while it starts ends it without a traceback."""

import sys


def main() -> int:
    """Exit code of the command line; 130 after Ctrl-C."""
    try:
        from dqdata import cli

        return cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("\nerror[interrupted]: interrupted before anything was done\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
