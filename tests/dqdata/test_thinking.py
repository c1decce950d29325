"""Thinking and response told apart, in the forms that models and endpoints write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqdata.thinking import TAGS, merge, opened_by, pieces, split, wrap

SEPARATED = {
    "plain": ("<think>2 and 2</think>It is 4.", "2 and 2", "It is 4."),
    "opened in the prompt": ("2 and 2</think>It is 4.", "2 and 2", "It is 4."),
    "cut while thinking": ("<think>2 and", "2 and", ""),
    "nothing thought": ("<think>\n\n</think>\n\nIt is 4.", "", "It is 4."),
    "upper case": ("<THINK>2 and 2</Think>It is 4.", "2 and 2", "It is 4."),
    "after a line": ("Sure.\n<think>2 and 2</think>\nIt is 4.", "2 and 2", "Sure.\n\nIt is 4."),
    "after words": ("Let me think <think>2 and 2</think> It is 4.", "2 and 2", "Let me think\n\nIt is 4."),
    "cut after a line": ("Okay.\n<think>2 and", "2 and", "Okay."),
    "nested": ("<think>a <think>b</think> c</think>d", "a b c", "d"),
    "nested in a prompt's tag": ("a <think>b</think> c</think>d", "a b c", "d"),
    "opened twice": ("<think>\n<think>\na</think>d", "a", "d"),
    "closed twice": ("<think>a</think>\n</think>\nd", "a", "d"),
    "closed again at the end": ("<think>a</think>d</think>", "a", "d"),
    "two thoughts": ("<think>a</think>b<think>c</think>d", "a\n\nc", "b\n\nd"),
    "a second thought cut": ("<think>a</think>b<think>c", "a\n\nc", "b"),
    "quoted inside": ('<think>say "</think>" now</think>done', 'say "</think>" now', "done"),
    "quoted in the response": ("<think>a</think>Use `<think>` and `</think>`.", "a", "Use `<think>` and `</think>`."),
    "spoken of inside": ("<think>Put <think> and </think> there.</think>4", "Put <think> and </think> there.", "4"),
    "spoken of in a prompt's thinking": ("They want `<think>` tags.</think>4", "They want `<think>` tags.", "4"),
    "a stray backtick": ("<think>It's `odd</think>It is `4`.", "It's `odd", "It is `4`."),
    "a stray quotation mark": ('<think>5" long</think>It is 5" long.', '5" long', 'It is 5" long.'),
    "a fence never closed": ("<think>```python\nx = 1\n</think>\nIt is 4.", "```python\nx = 1", "It is 4."),
    "quoted by mistake": ("`<think>`2 and 2</think>It is 4.", "2 and 2", "It is 4."),
    "letters that grow": ("ẞİ\n<think>x</think>İy", "x", "ẞİ\n\nİy"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reasoning", "response"), SEPARATED.values(), ids=SEPARATED.keys())
def test_thinking_is_separated(text: str, reasoning: str, response: str) -> None:
    assert split(text) == (reasoning, response)
    assert merge(reasoning, response) == (reasoning, response)  # a stored answer is read as it is


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is 4.",
        "Use `<think>` first.",
        "Use ``the </think> tag`` last.",
        "Write <think> and </think> around it.",
        "Between <think>...</think> you think.",
        "It is 4. Remember the <think> tag.",
        "```\n<think>\nx\n</think>\n```\nas above",
        "~~~\n</think>\n~~~\nas above",
        'He said "</think>" and left.',
        "Er schrieb „<think>“ und ‚</think>‘.",
        "写「<think>」和“</think>”。",
        "'<think>' opens, '</think>' closes.",
        '{"why": "he said \\"x\\" </think> y"}',
    ],
)
def test_a_tag_that_is_spoken_of_is_text(text: str) -> None:
    assert split(text) == (None, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think type='deep'>a</think>b", ("a", "b")),
        ('<THINK level="2" >a</THINK>b', ("a", "b")),
        ("<think effort=high>only thoughts", ("only thoughts", "")),
        ("<think a=1>x<think>k</think>z</think>w", ("xkz", "w")),
        ("Hm.\n<think lang=de>\nJa.\n</think>\nNein.", ("Ja.", "Hm.\n\nNein.")),
        ("`<think a=1>` is text", (None, "`<think a=1>` is text")),
        ("<think a < b, so b > a", (None, "<think a < b, so b > a")),
    ],
)
def test_an_opening_tag_may_have_attributes(text: str, expected: tuple[str | None, str]) -> None:
    assert split(text) == expected


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("[THINK]a[/THINK]b", ("[THINK]", "[/THINK]"), ("a", "b")),
        ("◁Think▷a◁/think▷b", ("◁think▷", "◁/think▷"), ("a", "b")),
        ("Hm.\n<seed:think>a</seed:think>b", ("<seed:think>", "</seed:think>"), ("a", "Hm.\n\nb")),
        ("<|START_THINKING|>a<|END_THINKING|>b", ("<|START_THINKING|>", "<|END_THINKING|>"), ("a", "b")),
        ("Use `[THINK]` first.", ("[THINK]", "[/THINK]"), (None, "Use `[THINK]` first.")),
        ("***a***b", ("***", "***"), ("a", "b")),
        ("<think>a</think>b", ("<thought>", "</thought>"), (None, "<think>a</think>b")),
        ("<think>a</think>b", None, (None, "<think>a</think>b")),
    ],
)
def test_other_tags(text: str, tags: tuple[str, str] | None, expected: tuple[str | None, str]) -> None:
    assert split(text, tags) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thinking that never en", ("thinking that never en", "")),
        ("a</think>b", ("a", "b")),
        ("<think>a</think>b", ("a", "b")),
        ("hm <think>a</think> b", ("hm a", "b")),
    ],
)
def test_a_template_that_opens_the_tag(text: str, expected: tuple[str, str]) -> None:
    assert split(text, prefilled=True) == expected


@pytest.mark.parametrize(
    ("reasoning", "text", "expected"),
    [
        ("2 and 2", "It is 4.", ("2 and 2", "It is 4.")),
        ("2 and 2", "</think>\n\nIt is 4.", ("2 and 2", "It is 4.")),
        ("2 and", "2 make 4</think>It is 4.", ("2 and\n\n2 make 4", "It is 4.")),
        ("2 and 2", "<think>2 and 2</think>It is 4.", ("2 and 2", "It is 4.")),
        ("2 and 2", "It is 4.\n<think>Check", ("2 and 2\n\nCheck", "It is 4.")),
        ("<think>2 and 2</think>", "It is 4.", ("2 and 2", "It is 4.")),
        ("2 and 2</think>It is 4.", "", ("2 and 2", "It is 4.")),
        ("I end with `</think>`, then", "", ("I end with `</think>`, then", "")),
        ("2 and 2", " It is `</think>`. ", ("2 and 2", " It is `</think>`. ")),
        (None, "It is 4.", (None, "It is 4.")),
    ],
)
def test_reasoning_that_the_endpoint_separated_in_part(
    reasoning: str | None, text: str, expected: tuple[str | None, str]
) -> None:
    assert merge(reasoning, text) == expected


def test_wrapping_is_undone_by_splitting() -> None:
    assert split(wrap("2 and 2", "It is 4.")) == ("2 and 2", "It is 4.")
    assert wrap("", "It is 4.") == "It is 4."
    assert opened_by("<|assistant|><think>\n") == "<think>" and opened_by("<|assistant|>") == ""


PARTS = st.sampled_from([*TAGS, "<THINK>", "`", "``", '"', "'", "“", "”", "\n", "\n\n", "```\n", "a", "and", " ", "."])


@given(st.lists(PARTS, max_size=14).map("".join))
def test_nothing_but_tags_and_space_is_lost(text: str) -> None:
    """Pieces in order are the text without some of its tags."""
    kept = "".join(piece.text for piece in pieces(text))
    for tag in TAGS:
        text, kept = text.replace(tag, ""), kept.replace(tag, "")
    assert kept.replace("<THINK>", "").count("a") == text.replace("<THINK>", "").count("a")


@pytest.mark.parametrize(
    "unit",
    "<think>|</think>|</think><think>|x <think>`a``b```|</think>a<think>'\\|“‘«<think>|' <think> '|\n```\n<think>"
    "|a <think> and </think> |<think>'</think>' |`</think>\n\n``".replace("'", '"').split("|"),
)
def test_the_work_grows_with_the_length(unit: str) -> None:
    """Of twice the text no more than about twice the work, counted in executed lines, not in time."""
    import sys

    def lines(times: int) -> int:
        count = 0

        def trace(frame: object, event: str, argument: object) -> object:
            nonlocal count
            count += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            split(unit * times)
        finally:
            sys.settrace(before)
        return count

    assert lines(800) < 2.5 * lines(400)
