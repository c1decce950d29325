"""Why tests can't go on: each ends them, whatever they catch.

>>> issubclass(TooLong, Exception)
False
"""

from __future__ import annotations


class Stop(BaseException):
    """The tests can't go on. Not an Exception, so that no test swallows it."""


class NeedsInside(Stop):
    """A test hands over an object that only this process can hold."""


class Handed(Stop):
    """The tests hand back something that came of the candidate, and that only its own process could hold. The tests'
    own objects decide where tests run; this doesn't."""


class Gone(Stop):
    """The candidate's process ended or broke the protocol."""


class TooLong(Stop):
    """One call used up its time."""


class Starved(Stop):
    """One call took too long because the machine did not let the candidate run."""
