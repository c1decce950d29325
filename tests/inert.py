"""Whether a page holds any element or attribute that a text of a model would make."""

from __future__ import annotations

from html.parser import HTMLParser


class Elements(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]


def check_inert(text: str) -> None:
    """No element or attribute that a text of a model would make, and none that the policy forbids."""
    found = Elements()
    found.feed(text)
    assert not found.tags & {"style", "base", "iframe", "object", "embed", "b", "i"}, found.tags
    for tag, name, value in found.attributes:
        assert not name.startswith("on") and name not in ("style", "srcdoc", "formaction"), (tag, name, value)
        if name in ("href", "src", "action"):
            assert value is not None and value.startswith(("/", "#", "?")) and not value.startswith("//"), value
        if tag == "script":
            assert name in ("src", "defer") and (name == "defer" or str(value).startswith("/static/"))
    assert "<script>" not in text
