"""Whether a teacher can teach what the student writes: vocabulary, end of turn, thinking mode, lengths.

    check_teacher(tokenizer, student, teacher, "Qwen/Qwen3-8B", params.chat_template_kwargs)
    check_lengths(longest_prompt, completion, {"student": student, "teacher": teacher})

The teacher reads the student's own tokens. Where its vocabulary differs it reads other words; where it ends a turn with
another token it finds every end unlikely; where its template opens the thinking and the student's doesn't, it expects
another kind of text; and behind the end of its window it says nothing that is of use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqdata.errors import InputError
from dqdata.thinking import TAGS, opened_by

_CHAT = [{"role": "user", "content": "question"}]
_TURN = [*_CHAT, {"role": "assistant", "content": "answer"}]


def check_teacher(tokenizer: Any, student: str, teacher: str, name: str, kwargs: Mapping[str, Any]) -> None:
    """Raises InputError where the teacher in the folder `teacher` can't judge what the student in the folder `student`
    writes; `name` is what the table calls it."""
    theirs = _tokenizer(teacher, name)
    check_vocabulary(tokenizer, theirs, name)
    _check_end(tokenizer, student, theirs, teacher, name, kwargs)
    if theirs.chat_template:
        ours, other = thinking_mode(tokenizer, kwargs), thinking_mode(theirs, kwargs)
        if ours != other:
            raise InputError(
                f"thinking mode: the student's prompt {ours}, and that of teacher {name!r} {other}: set "
                "chat_template_kwargs (such as { enable_thinking = true }) or chat_template so that both agree"
            )


def check_vocabulary(tokenizer: Any, theirs: Any, name: str) -> None:
    """Raises InputError where the teacher's tokens aren't the student's: their distributions couldn't be compared."""
    ours, other = tokenizer.get_vocab(), theirs.get_vocab()
    if ours != other:
        differ = sum(other.get(token) != number for token, number in ours.items())
        raise InputError(
            f"teacher {name!r} has another vocabulary ({len(other)} tokens, the student {len(ours)}; {differ} of "
            "the student's differ): take one of the same family, or train with kind = 'sft' on its traces"
        )


def teacher_vocabulary(tokenizer: Any, teacher: str, name: str) -> None:
    """`check_vocabulary` with the teacher in a folder."""
    check_vocabulary(tokenizer, _tokenizer(teacher, name), name)


def check_lengths(prompt: int, completion: int, models: Mapping[str, str]) -> None:
    """Raises InputError where the longest prompt and completion, in tokens, exceed the window of a model. models:
    folders by what they are called."""
    for name, path in models.items():
        window = _window(path)
        if window is not None and prompt + completion > window:
            raise InputError(
                f"lengths: {name} reads {window} tokens, and the longest prompt has {prompt} before "
                f"max_completion_length = {completion}: set args.max_completion_length to {max(1, window - prompt)} or "
                "less, or drop long prompts with max_length"
            )


def thinking_mode(tokenizer: Any, kwargs: Mapping[str, Any]) -> str:
    """How the prompt of a chat leaves the thinking to the model."""
    prompt = _rendered(tokenizer, _CHAT, kwargs, prompt=True)
    if opened_by(prompt):
        return f"ends with {TAGS[0]}"
    if prompt.rstrip().endswith(TAGS[1]):
        return f"ends with empty thinking ({TAGS[0]}{TAGS[1]})"
    return "leaves the thinking to the model"


def _check_end(tokenizer: Any, student: str, theirs: Any, teacher: str, name: str, kwargs: Mapping[str, Any]) -> None:
    ours = _ends(tokenizer, student)
    if not ours & _turn_ends(tokenizer, kwargs):
        raise InputError(
            f"end of turn: the student stops at {_names(tokenizer, ours)}, which its chat template never writes after "
            "an answer: give it a chat_template whose turns end so, or a model that was trained with this one"
        )
    other = _ends(theirs, teacher) | (_turn_ends(theirs, kwargs) if theirs.chat_template else set())
    if tokenizer.eos_token_id not in other:
        raise InputError(
            f"end of turn: the student ends with {tokenizer.eos_token!r}, teacher {name!r} with "
            f"{_names(theirs, other)}: it would find every end unlikely; take the teacher that was trained with the "
            "student's chat template"
        )


def _turn_ends(tokenizer: Any, kwargs: Mapping[str, Any]) -> set[int]:
    """Tokens that the chat template writes after an answer."""
    text = _rendered(tokenizer, _TURN, kwargs, prompt=False)
    after = text[text.rindex("answer") + len("answer") :]
    return set(tokenizer(after, add_special_tokens=False)["input_ids"])


def _ends(tokenizer: Any, path: str) -> set[int]:
    """Tokens that end what the model writes."""
    from transformers import GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(path).eos_token_id
    except OSError:
        found = None
    listed = [found] if isinstance(found, int) else list(found or ())
    return {*listed, *([tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else [])}


def _window(path: str) -> int | None:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    found = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(found) if found else None


def _rendered(tokenizer: Any, chat: Any, kwargs: Mapping[str, Any], *, prompt: bool) -> str:
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=prompt, **kwargs))


def _names(tokenizer: Any, numbers: set[int]) -> str:
    return " or ".join(map(repr, sorted(tokenizer.convert_ids_to_tokens(list(numbers))))) or "nothing"


def _tokenizer(path: str, name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"teacher {name!r} can't be loaded: {error}") from error
