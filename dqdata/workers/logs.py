"""Logs of processes that have no terminal of their own: lines of standard error. Those of other machines Ray brings to
the driver with where they come from, as it does with what plug-ins print.
"""

from __future__ import annotations

import atexit
import logging

from dqdata.masking import masker


class Lines(logging.Formatter):
    """Log records as lines of standard error: without secrets, and those with a `code` as `warning[CODE]: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        code = getattr(record, "code", None)
        kind = "error" if record.levelno > logging.WARNING else "warning"
        head = f"{record.levelname} {record.name}" if code is None else f"{kind}[{code}]"
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return masker.hide(f"{head}: {record.getMessage()}{trace}")


def show_logs(level: int = logging.WARNING) -> None:
    """What this process logs goes to standard error. level: of dqdata's loggers."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("dqdata").setLevel(level)
    atexit.register(logging.disable)  # Ray ends workers at any moment: what is not closed then is no news
