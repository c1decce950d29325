"""Decides what the failure of one call means for all calls of a teacher: wait, slow down, or end the run.

health = Health(limits, gate, stall)
error = health.failed(error, "r1", known=True)      # kind "fatal" where patience has run out
health.answered()
"""

from __future__ import annotations

import logging
from typing import Final

from dqdata.calls.limits import Gate
from dqdata.calls.stall import Stall
from dqdata.errors import TeacherError
from dqdata.teacher import Limits

log = logging.getLogger("dqdata.calls")

OVERLOAD: Final = frozenset({429, 502, 503, 504, 529})
UNREACHABLE: Final = "unreachable"
"""TeacherError.reason where no connection could be made: nothing was sent, so nothing was charged."""
NEVER_SEEN: Final = 120.0
"""Seconds to wait for an endpoint that was never reached: more likely a wrong address than a restart."""
FORBIDDEN: Final = "forbidden"
"""TeacherError.reason of a fatal 403 that may be about the key or about the prompt."""
NEVER_RIGHT: Final = 3
"""Such refusals in a row that end the run of a key that never got an answer."""
REVOKED: Final = 50
"""Such refusals in a row that end the run of a key that did."""


class Health:
    """Knows how long a teacher's endpoint has been absent, overloaded or refusing."""

    def __init__(self, limits: Limits, gate: Gate, stall: Stall) -> None:
        self._limits, self._gate, self._stall = limits, gate, stall
        self._forbidden = 0

    def answered(self) -> None:
        self._stall.answered()
        self._forbidden = 0

    def failed(self, error: TeacherError, teacher: str, *, known: bool) -> TeacherError:
        """The error as the call reports it: a fatal one where patience has run out, one of the row alone where a 403 is
        about its prompt. known: the endpoint has answered this teacher before."""
        if error.kind == "retryable" and error.reason == UNREACHABLE:
            return self._unreachable(error, teacher)
        if is_overload(error):
            return self._overloaded(error, teacher)
        return self._refused(error, known) if error.reason == FORBIDDEN else error

    def _unreachable(self, error: TeacherError, teacher: str) -> TeacherError:
        down, patience = self._gate.unreachable(), self._limits.patience
        self._stall.down(teacher, str(error), down)
        if down <= (patience if self._gate.reached else min(NEVER_SEEN, patience)):
            return error
        return TeacherError(
            f"teacher {teacher!r}: {error}, for {down:.0f} s now; check base_url and the server, then run again: it "
            "goes on from here",
            kind="fatal",
            reason=UNREACHABLE,
        )

    def _overloaded(self, error: TeacherError, teacher: str) -> TeacherError:
        wait, refused = self._gate.overloaded(error.retry_after), self._gate.refused_for
        if refused > self._limits.patience:
            return TeacherError(
                f"teacher {teacher!r}: {error}, and no answer for {refused:.0f} s (`patience`); run again when the "
                "endpoint accepts requests: it goes on from here",
                kind="fatal",
                reason=error.reason,
                status=error.status,
            )
        if wait > 30:
            log.warning(
                "teacher %s: %s; all its calls wait %.0f s", teacher, error, wait, extra={"code": "teacher-waits"}
            )
        return error

    def _refused(self, error: TeacherError, known: bool) -> TeacherError:
        """A 403 that names neither key nor prompt. A key that was answered before is right, so the prompt is refused;
        one that never was may meet a few such prompts at the beginning."""
        self._forbidden += 1
        if self._forbidden >= (REVOKED if known else NEVER_RIGHT):
            return error
        return TeacherError(str(error), kind="row", reason=error.reason, status=error.status)


def is_overload(error: TeacherError) -> bool:
    """Whether the endpoint had too much to do, which says nothing about the request."""
    return error.kind == "retryable" and (error.status in OVERLOAD or error.retry_after is not None)
