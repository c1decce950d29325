"""Texts of models in parts: formulas, code, money."""

from __future__ import annotations

import pytest

from dqdata.view.rich import parts


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("so $x^2$ costs $5", [("text", "so "), ("math", "x^2"), ("text", " costs $5")]),
        ("it costs $5 and $10 in all", [("text", "it costs $5 and $10 in all")]),
        (r"\(a\) and \[b\]", [("math", "a"), ("text", " and "), ("display", "b")]),
        ("$$\n\\frac12\n$$\n\nnext", [("display", "\n\\frac12\n"), ("text", "next")]),
        ("`$x$` is code", [("code", "$x$"), ("text", " is code")]),
        ("a\n```python\nx = '$1$'\n```\nb", [("text", "a"), ("block", "x = '$1$'"), ("text", "b")]),
        ("~~~\n```\n~~~~", [("block", "```")]),
        ("```\nnever closed", [("block", "never closed")]),
        (r"\$5 and \$6", [("text", r"\$5 and \$6")]),
        ("<b>$</b>$", [("text", "<b>"), ("math", "</b>")]),
        ("$$ $ \\( \\[ `", [("text", "$$ $ \\( \\[ `")]),
        (r"so \boxed{7}.", [("text", "so "), ("math", r"\boxed{7}"), ("text", ".")]),
        (r"\boxed{\frac{1}{2\}}}", [("math", r"\boxed{\frac{1}{2\}}}")]),
        (r"$\boxed{x}$ \boxed{a $b$}", [("math", r"\boxed{x}"), ("text", " "), ("math", r"\boxed{a $b$}")]),
        (r"`\boxed{x}`, \\boxed{y}", [("code", r"\boxed{x}"), ("text", r", \\boxed{y}")]),
        ("\\boxed{open\nline}", [("text", "\\boxed{open\nline}")]),
        (r"\boxed{never closed", [("text", r"\boxed{never closed")]),
        ("", []),
    ],
)
def test_parts(text: str, wanted: list[tuple[str, str]]) -> None:
    assert [(part.kind, part.text) for part in parts(text)] == wanted


@pytest.mark.parametrize(
    "text", ["\\[a" * 9, "$a" * 9, "`" * 9, "```\n" * 9, "\\(" * 9, "$$" * 9, "x" * 300_000, r"\boxed{" * 99]
)
def test_nothing_is_lost_of_what_is_no_formula(text: str) -> None:
    from dqdata.view.rich import LONGEST

    joined = "".join(part.text for part in parts(text))
    assert set(text[:LONGEST]) >= set(joined) and len(joined) <= LONGEST
