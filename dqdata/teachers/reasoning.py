"""Tells thinking from the answer in one text, by the tags around the thinking.

>>> split("<think>2 and 2 make 4.</think>\\n\\nIt is 4.", ("<think>", "</think>"))
('2 and 2 make 4.', 'It is 4.')
"""

from __future__ import annotations


def split(text: str, tags: tuple[str, str] | None, *, prefilled: bool = False) -> tuple[str | None, str]:
    """(reasoning, response) of an answer. Reasoning is None where there is none to tell apart.

    The opening tag may be missing: many chat templates write it at the end of the prompt, so the answer begins inside
    the thinking. The closing tag is missing where the answer was cut while thinking: then there is no response.
    `prefilled` says that the template always opens the tag, so that a text without any tag is thinking cut short.
    Only tags at the start count: a response may well speak about tags.
    """
    if tags is None:
        return None, text
    opening, closing = tags
    body = text.lstrip()
    if body.startswith(opening):
        thinking, closed, response = body[len(opening) :].partition(closing)
        return thinking.strip(), response.strip() if closed else ""
    start, end = text.find(opening), text.find(closing)
    if end != -1 and (start == -1 or end < start):
        return text[:end].strip(), text[end + len(closing) :].strip()
    if prefilled and start == -1:
        return text.strip(), ""
    return None, text
