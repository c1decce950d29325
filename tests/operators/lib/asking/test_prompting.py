"""Prompt files: sections, placeholders, braces, and what is said of files that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from dqdata_operators.lib.asking.prompting import PROMPTS, Template, load_prompt, parse_prompt

from dqdata.columns import Columns
from dqdata.errors import ColumnError, InputError, RowError
from dqdata.teacher import Message

HAVE = Columns({"question": "VARCHAR", "answer": "VARCHAR"})


def test_sections_become_messages_in_order():
    prompt = parse_prompt(
        "=== system\nBe brief.\n\n=== user\nQ: {{question}}\n=== assistant\nA\n=== user\nNow {{answer}}\n", "p"
    )
    assert prompt.placeholders == ("question", "answer")
    assert prompt.render({"question": "2 + 2?", "answer": "4"}) == (
        Message("system", "Be brief."),
        Message("user", "Q: 2 + 2?"),
        Message("assistant", "A"),
        Message("user", "Now 4"),
    )


def test_a_file_without_sections_is_one_user_message():
    assert parse_prompt("Solve {{question}}\n", "p").render({"question": "x"}) == (Message("user", "Solve x"),)


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{1}{2} + \sqrt{x} in \boxed{}",
        r"{ {question} } {question} {{ question }} {{}} {{1}}",
        '{"grade": {"rv": 3}}',
        "=====\nheading\n=====",
    ],
)
def test_other_braces_and_rules_stay(text):
    assert parse_prompt(text, "p").render({}) == (Message("user", text),)


def test_braces_in_values_are_never_placeholders():
    prompt = parse_prompt("{{question}} / {{answer}}", "p")
    assert prompt.render({"question": "{{answer}}", "answer": "{{question}}"})[0].content == "{{answer}} / {{question}}"


def test_doubled_braces_are_sent_as_braces():
    prompt = parse_prompt("Write {{{{name}}}} for {{question}}", "p")
    assert prompt.placeholders == ("question",)
    assert prompt.render({"question": "q"})[0].content == "Write {{name}} for q"


def test_a_null_fails_its_row_unless_it_is_optional():
    with pytest.raises(RowError, match="null_in_prompt: column 'answer' is null") as caught:
        parse_prompt("{{answer}}", "p").render({"answer": None})
    assert caught.value.reason == "null_in_prompt"
    assert parse_prompt("<{{answer?}}>", "p").render({"answer": None})[0].content == "<>"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3, "3"),
        (2.5, "2.5"),
        (True, "true"),
        (["A) 1", "B) 2"], "A) 1\nB) 2"),
        ({"a": "é"}, '{"a": "é"}'),
        ([{"role": "user"}], '[{"role": "user"}]'),
    ],
)
def test_values_that_are_no_text(value, shown):
    assert Template("{{x}}").render({"x": value}) == shown


def test_values_of_the_operators_own():
    prompt = parse_prompt("{{question}} {{draft}}", "p")
    prompt.require(HAVE, "draft")
    assert prompt.render({"question": "q"}, draft="d")[0].content == "q d"


def test_a_placeholder_that_is_no_column_is_found_when_planning():
    with pytest.raises(ColumnError, match=r"\{\{qestion\}\}, which is no column; did you mean 'question'\?") as caught:
        parse_prompt("{{qestion}}", "p").require(HAVE)
    assert "write {{{{qestion}}}}" in str(caught.value)


def test_system_replaces_the_prompts_own():
    prompt = parse_prompt("=== system\nold\n=== user\n{{question}}", "p").with_system("new {{answer}}")
    assert [m.content for m in prompt.render({"question": "q", "answer": "a"})] == ["new a", "q"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "p is empty"),
        ("hello\n=== user\nx", "p line 1: text before the first section"),
        ("=== usr\nx", "p line 1: no section 'usr'; did you mean 'user'"),
        ("=== user\nx\n\n=== system\ny", "p line 4: the system section must come first"),
        ("=== user\n\n=== assistant\ny", "p line 1: section 'user' is empty"),
        ("=== system\nx", "p: no user section"),
    ],
)
def test_wrong_files_name_the_line(text, said):
    with pytest.raises(InputError) as caught:
        parse_prompt(text, "p")
    assert said in str(caught.value)


def test_files_of_ones_own(tmp_path):
    path = tmp_path / "mine.md"
    path.write_bytes("\ufeff=== user\r\nZwölf {{question}}\r\n".encode())
    prompt = load_prompt("generate", path=path)
    assert prompt.path == path and prompt.render({"question": "q"})[0].content == "Zwölf q"
    with pytest.raises(InputError, match=r"no prompt file .*min\.md; did you mean 'mine\.md'"):
        load_prompt("generate", path=tmp_path / "min.md")
    path.write_bytes("Zwölf".encode("latin-1"))
    with pytest.raises(InputError, match="isn't UTF-8 at byte 2"):
        load_prompt("generate", path=path)


def test_a_language_that_is_not_there():
    with pytest.raises(InputError, match=r"prompt 'generate' isn't there in language 'fr' \(have: en, zh\)"):
        load_prompt("generate", "fr")


@pytest.mark.parametrize("path", sorted(PROMPTS.glob("*.md")), ids=lambda path: path.name)
def test_built_in_prompts_parse_and_languages_ask_for_the_same(path):
    name = path.name.split(".")[0]
    first = load_prompt(name, "en")
    assert set(load_prompt(name, path.name.split(".")[1]).placeholders) == set(first.placeholders)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Solve it.", "has no placeholder"),
        ("Solve {question}", "in single braces"),
        ("Solve {{question}} and compare with {answer}.", "in single braces"),
        (r"Give \boxed{answer} for {{question}}", None),
        ('As JSON: {"question": {{question}}}', None),
        ("Solve {{question}} in {n} steps", None),
    ],
)
def test_braces_that_send_the_same_text_for_every_row_are_found(tmp_path: Path, text: str, says: str | None) -> None:
    file = tmp_path / "own.md"
    file.write_text(text)
    prompt = load_prompt("generate", "en", file)
    have = Columns({"question": "VARCHAR", "answer": "VARCHAR"})
    if says is None:
        prompt.require(have)
    else:
        with pytest.raises(ColumnError, match=says):
            prompt.require(have)


@pytest.mark.parametrize("row", [{"a": "", "b": " \n"}, {"a": "\u3000", "b": "", "c": "x"}])
def test_a_row_that_would_ask_nothing_fails(row: dict[str, str | None]) -> None:
    with pytest.raises(RowError, match="the prompt would be empty: the row's a, b is blank"):
        parse_prompt("Solve: {{a}} {{b}} {{c?}}", "p").render(row)
    whole = parse_prompt("Solve: {{a}} {{c?}}", "p").render({"a": "2 + 2", "c": None})
    assert whole[0].content == "Solve: 2 + 2 "
