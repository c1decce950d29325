"""Faults of an answer: cut off, empty, refused, filtered, repeating itself, or with an unknown finish reason.

    >>> flaw(Completion("So 2 + 2 is", "length", Usage(9, 4)))
    Flaw(reason='truncated', detail='stopped after 4 tokens')

An answer is good only where its finish reason is known to mean that it is whole. Each check reads the end of the text
or the finish reason alone and costs microseconds: it runs on every answer.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from dqdata.teacher import Completion

REFUSAL = re.compile(
    r"(?:i['’]?m|i am)\s+(?:(?:very|really|so|truly)\s+)?sorry,?\s+(?:but\s+)?i(?:['’]m|\s+am)?\s*"
    r"(?:can['’]?t|cannot|can not|won['’]?t|unable to|not able to)\s+"
    r"(?:help|assist|provide|answer|comply|fulfil|do that|engage|discuss|continue)"
    r"|i\s+(?:can['’]?t|cannot|can not|won['’]?t|am unable to|am not able to)\s+"
    r"(?:help|assist|comply|fulfil|engage|provide assistance)"
    r"|as an ai(?: language model| assistant)?,? i (?:can['’]?t|cannot|am unable|am not able|don['’]?t)"
    r"|(?:很|非常|十分)?(?:抱歉|对不起)[，,]?\s*(?:但)?(?:是)?我?(?:无法|不能|没有办法)(?:提供|回答|协助|帮助|满足|继续|处理|讨论)",
    re.IGNORECASE,
)
REFUSAL_LENGTH = 600
"""Characters above which an answer that opens like a refusal goes on to say something."""

PROBE = 24
"""Characters at the very end whose earlier occurrences tell the periods worth testing."""
CANDIDATES = 64


class Flaw(NamedTuple):
    reason: str
    detail: str


def flaw(answer: Completion) -> Flaw | None:
    """What makes an answer unfit to be kept, or None. A loop is named before the cut it ends in: more tokens would
    only make it longer."""
    ending = answer.ending
    if ending == "withheld":
        return Flaw("content_filter", f"withheld by the endpoint ({answer.finish_reason})")
    text = answer.response if answer.response.strip() else answer.reasoning or ""
    repeated = loop(text)
    if repeated:
        unit, times = repeated
        return Flaw("repeated", f"ends in {times} times {unit[:80]!r}")
    if ending == "truncated":
        return Flaw("truncated", f"stopped after {answer.usage.output} tokens")
    if ending == "interrupted":
        return Flaw("broken_off", f"the endpoint broke it off ({answer.finish_reason})")
    if ending == "other":
        return _unknown(answer.finish_reason)
    if not answer.response.strip():
        return Flaw("empty", "no response after the reasoning" if text.strip() else "no text")
    if ending == "refused" or is_refusal(answer.response):
        return Flaw("refused", answer.response.strip()[:200])
    return None


def _unknown(finish_reason: str) -> Flaw:
    """The flaw of an answer whose end nobody knows the meaning of, by its name."""
    shown = "the endpoint gave no finish_reason" if finish_reason == "unknown" else f"finish_reason {finish_reason!r}"
    line = f"finished = [{json.dumps(finish_reason, ensure_ascii=False)}]"
    return Flaw(
        f"finish_reason:{' '.join(finish_reason.split())[:60]}",
        f"{shown}: not known to mean a whole answer. If it does, write {line} in the teacher's table: the answer is "
        "read from the ledger, without a new call",
    )


def is_refusal(response: str) -> bool:
    """A short answer that opens by declining. English and Chinese."""
    text = response.strip()
    return len(text) <= REFUSAL_LENGTH and REFUSAL.match(text) is not None


def loop(text: str) -> tuple[str, int] | None:
    """(unit, times) where the text ends in one piece repeated over and over, else None.

    A loop covers at least 200 characters, with a unit that comes five times, or three times where it has 60 characters
    or more; the first repetition may be cut short. Periods to test are the distances from the end at which the last few
    characters occur before.
    """
    text = text.rstrip()
    probe = text[-PROBE:]
    at = len(text) - PROBE
    for _ in range(CANDIDATES):
        at = text.rfind(probe, max(0, len(text) - 8000), at + PROBE - 1)
        if at < 0:
            return None
        period = len(text) - PROBE - at
        span = max(200, period * (5 if period < 60 else 3) - PROBE)
        if len(text) >= span and text[-span:-period] == text[-span + period :]:
            return text[-period:], _times(text, period)
    return None


def _times(text: str, period: int) -> int:
    """How often the last `period` characters stand one after another at the end."""
    unit, times, end = text[-period:], 0, len(text)
    while end >= period and text[end - period : end] == unit:
        times, end = times + 1, end - period
    return times
