"""Readers of what teachers, judges and endpoints answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress

from dqdata_operators.generate._novelty import similarity
from dqdata_operators.generate._shape import cjk_share, numbers, size, steps
from dqdata_operators.lib.asking.answers import flaw, is_refusal, loop
from dqdata_operators.lib.asking.judgement import Choice, Scale, read
from dqdata_operators.lib.asking.programs import prose
from dqdata_operators.lib.asking.rubrics import read as read_rubric
from dqdata_operators.lib.instructions.drawing import draw
from dqdata_operators.lib.instructions.kinds import KINDS
from dqdata_operators.lib.instructions.layout import read as read_instructions
from dqdata_operators.lib.maths import compare
from dqdata_operators.lib.maths.extract import extract
from dqdata_operators.verify.majority import vote
from dqdata_operators.verify.verify_choice import VerifyChoice
from dqdata_operators.verify.verify_text import VerifyText

from dqdata import thinking
from dqdata.errors import TeacherError
from dqdata.masking import Masker
from dqdata.teacher import Message, Request
from dqdata.teachers import chat, error_bodies, openai, stream
from dqdata.teachers.refusals import refusal


def _judge(text: str) -> None:
    read(text, {"score": Scale(0, 10), "verdict": Choice(("yes", "no"))})


def _stream(text: str) -> None:
    """A body that is no stream is a malformed answer for the teacher."""
    assembly = stream.Assembly()
    try:
        for chunk in stream.events(text.encode("utf-8", "replace")):
            assembly.add(chunk)
        assembly.data()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


def _endpoint(text: str) -> None:
    """An endpoint's answer, from its body to the row: the text as content, as reasoning, and as the body itself."""
    request = Request((Message("user", "?"),))
    params = openai.EndpointParams(model="m")
    message = {"content": text, "reasoning_content": text[::2]}
    for body in (json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}), text):
        with suppress(TeacherError):
            data = openai.answer_in(body.encode("utf-8", "replace"), {}, "here")
            flaw(chat.present(chat.completion(data, request, params), params))


def _refusal(text: str) -> None:
    """Half of the text as an endpoint's words: a body of more than `masking.BODY_BYTES` is cut, and is no JSON."""
    words = text[: len(text) // 2]
    body = json.dumps({"error": {"message": words, "code": words}}, ensure_ascii=False)
    refusal(403, body.encode("utf-8", "replace"), {"Retry-After": text}, "here")


def _shape(text: str) -> None:
    steps(text), size(text), cjk_share(text), numbers(text), similarity(text, text[::2])


def _instructions(text: str) -> None:
    for one in _ASKED:
        one.followed(text, loose=True)
    read_instructions(text, text)


def _maths(text: str) -> None:
    compare(reference="4", response=text)
    compare(reference="\\frac{x}{2}", response=f"\\boxed{{{text}}}")


_DRAWN = [one for kind in sorted(KINDS) for one in draw(random.Random(1), "Which example words are there?", 1, [kind])]
_ASKED = read_instructions([name for name, _ in _DRAWN], [arguments for _, arguments in _DRAWN])

_MASKER = Masker()
_MASKER.add("sk-corpus-0123456789abcdef")

_CHOICE = VerifyChoice(VerifyChoice.Params())
_TEXT = VerifyText(VerifyText.Params())

ANSWERS: dict[str, Callable[[str], object]] = {
    "thinking": thinking.split,
    "judge": _judge,
    "loop": loop,
    "refusal": is_refusal,
    "final_answer": extract,
    "vote": vote,
    "choice": lambda text: _CHOICE.process({"answer": "B", "response": text, "choices": ["Rome", "Bern", "Paris"]}),
    "text": lambda text: _TEXT.process({"answer": "Bern", "response": text}),
    "shape": _shape,
    "masking": lambda text: (_MASKER.hide_answer(text), _MASKER.hide_body(text.encode("utf-8", "replace"))),
    "error_body": error_bodies.read,
    "stream": _stream,
    "endpoint": _endpoint,
    "endpoint_error": _refusal,
    "maths": _maths,
    "maths_reference": lambda text: compare(reference=text, response="4"),
    "instructions": _instructions,
    "rubric": read_rubric,
    "prose": prose,
    "structured": lambda text: chat.structured(text, {"type": "object", "properties": {"score": {"type": "integer"}}}),
}
