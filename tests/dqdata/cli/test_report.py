"""`dqdata report` and `dqdata preview`: what they say of a version, and that texts of models stay texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.loopback import Loopback

pytestmark = pytest.mark.usefixtures("kept_workers")

Invoke = Callable[..., tuple[int, str, str]]
HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></table><img src=x onerror=alert(1)>",
    "| a | b |\n\n# A heading\n[link](http://example.com)",
    "``` ```` `code` <b>bold</b>",
    '"><iframe src="http://example.com"></iframe>&amp;',
    "\x1b[31mred\x07",
]


class Page(HTMLParser):
    """Tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str]] = {}
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def made(dqdata: Invoke, tmp_path: Path) -> Invoke:
    """A store with hostile@1: three rows kept, three dropped."""
    rows = [{"question": text, "size": at, "good": at % 2 == 0} for at, text in enumerate(HOSTILE)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pipelines.toml").write_text(
        "[pipelines.hostile]\nfrom = 'rows.jsonl'\n"
        "steps = [ { op = 'filter', where = 'good', reason = '<i>not good</i>' }, { op = 'sample', rows = 3 } ]\n"
    )
    assert dqdata("run", "hostile", "-q", "--engine", "inline")[0] == 0
    return dqdata


REFUSED = {
    "nowhere": "nowhere",
    "hostile@7": "no version 7",
    "hostile -o r.docx": ".html or .md",
    "hostile -o no/r.html": "no/r.html",
    "select@": "select@",
}


def test_a_report_is_one_page_in_which_texts_of_rows_are_texts(made: Invoke, tmp_path: Path) -> None:
    code, out, error = made("report", "hostile@1", "-o", "r.html", "--examples", "6")
    assert code == 0 and "r.html" in out, error
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    known = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "table", "thead", "tbody", "tr"}
    assert page.tags <= known | {"th", "td", "pre", "svg", "rect", "text", "polyline"}
    assert not {name for name in page.attributes if name in ("src", "href") or name.startswith("on")}
    texts = "\n".join(page.texts)
    assert all(text in texts for text in (HOSTILE[0], HOSTILE[4], "<i>not good</i>"))
    for part in (
        "How it was made",
        "Yield by step",
        "Costs",
        "Numbers",
        "Values",
        "Checks",
        "Kept row 1",
        "rows.jsonl",
    ):
        assert part in texts, part
    assert "3 rows, 3 rejected" in texts


def test_a_report_in_markdown_keeps_its_tables_whole(made: Invoke, tmp_path: Path) -> None:
    code, out, _ = made("report", "hostile", "--examples", "6")
    assert code == 0 and "\x1b" not in out and "\x07" not in out
    heads = [line for line in out.splitlines() if line.startswith("#")]
    assert "# A heading" not in heads and "## Yield by step" in heads
    assert "| filter | 3 | 0 | 3 |" in out and "flowchart LR" in out
    for line in out.splitlines():
        assert not line.lstrip().startswith("<"), line
    for arguments, says in REFUSED.items():
        code, _, error = made("report", *arguments.split())
        assert code == 2 and says in error, error
    assert made("report", "hostile", "-o", "r.md")[0] == 0 and (tmp_path / "r.md").read_text().startswith("# hostile@1")


def test_a_report_of_an_import_and_of_a_version_without_rows(dqdata: Invoke, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?", "answer": "2", "x": null}\n')
    (tmp_path / "pipelines.toml").write_text(
        "[pipelines.none]\nfrom = 'held'\nsteps = [ { op = 'filter', where = 'false' } ]\n"
    )
    assert dqdata("import", "rows.jsonl", "--into", "held", "-q")[0] == 0
    assert dqdata("run", "none", "-q", "--engine", "inline")[0] == 0
    assert "held@1" in dqdata("report", "held")[1]
    code, out, error = dqdata("report", "none")
    assert code == 0 and "0 rows, 1 rejected" in out, error


def test_a_report_counts_calls_and_their_cost(dqdata: Invoke, tmp_path: Path, loopback: Loopback) -> None:
    (tmp_path / "pipelines.toml").write_text(
        f'[teachers.t]\nprovider = "openai"\nbase_url = "{loopback.url}"\nmodel = "m"\n'
        "price = { input = 1.0, output = 2.0 }\n[pipelines.p]\nfrom = { source = 'problems', rows = 6 }\n"
        "steps = [ { op = 'generate', teacher = 't', n = 2, max_tokens = 20 }, { op = 'verify_math' },\n"
        "  { op = 'filter', where = 'correct', reason = 'not_correct' } ]\n"
    )
    loopback.answer = lambda body: "I would say 1000000."
    code, out, error = dqdata("preview", "p", "-q", "--engine", "inline")
    assert code == 0, error
    assert len(loopback.asked) == 10
    assert out.count("-- row ") == 5 and "not_correct" in out and "1000000" in out
    for line in ("generate", "verify_math", "filter"):
        assert line in out
    assert dqdata("run", "p", "-q", "--engine", "inline")[0] == 0
    assert len(loopback.asked) == 12  # ten of the answers were there
    report = dqdata("report", "p")[1]
    assert "calls to t" in report and "| filter | 12 | 0 | 0 |" in report
    assert "| answers of earlier runs | 10, from the ledger |" in report
    made = json.loads(dqdata("preview", "p", "--json", "--engine", "inline")[1])
    assert [step["id"] for step in made["steps"]] == ["generate", "verify_math", "filter"]
    assert len(loopback.asked) == 12
