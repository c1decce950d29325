"""Problems whose answer is a program: which rows they are, which prompt asks for one, and the text beside the program.

>>> prose("Add them.\\n\\n```python\\ndef add(a, b):\\n    return a + b\\n```")
'Add them.\\n\\n'
"""

from __future__ import annotations

from dqdata.operator import Row
from dqdata.spans import fences
from dqdata.teacher import MarkedText, Message
from dqdata_operators.lib.asking.prompting import Prompt


def is_program(row: Row, verifier: str = "verify") -> bool:
    """Whether the answer to the row's problem is a program: its `answer_type` is code, or the verifier runs tests."""
    return row.get("answer_type") == "code" or verifier == "verify_code"


def prompt_for(row: Row, prompt: Prompt, code: Prompt | None) -> Prompt:
    """The prompt of a row: `code` where there is one and the row's `answer_type` is code."""
    return code if code is not None and row.get("answer_type") == "code" else prompt


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    parts, end = [], 0
    for start, stop in fences(text):
        parts.append(text[end:start])
        end = stop
    return "".join([*parts, text[end:]])


def with_text(message: Message, added: str) -> Message:
    """The message with a text after its own."""
    content = message.content
    if isinstance(content, MarkedText):
        return message._replace(content=MarkedText(content + added, content.sent + added))
    return message._replace(content=content + added)
