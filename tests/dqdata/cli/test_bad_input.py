"""What people do wrong, and what they read then: the file, the place, the next action."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loopback import Loopback

pytestmark = pytest.mark.usefixtures("kept_workers")

PROJECT = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"
api_key = "sk-wrong"
max_attempts = 2
patience = 1.0

[pipelines.p]
from = "rows.jsonl"
steps = [ STEPS ]
"""


def write(tmp_path: Path, rows: bytes | str | None, steps: str = "", url: str = "http://127.0.0.1:9/v1") -> None:
    (tmp_path / "pipelines.toml").write_text(PROJECT.replace("STEPS", steps).replace("URL", url))
    if rows is not None:
        (tmp_path / "rows.jsonl").write_bytes(rows if isinstance(rows, bytes) else rows.encode())


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


GOOD = {"question": "What is 1 + 1?", "answer": "2"}


@pytest.mark.parametrize(
    ("rows", "steps", "code", "says"),
    [
        pytest.param(None, "", 2, ["rows.jsonl"], id="missing file"),
        pytest.param(lines(GOOD) + '{"question": "x', "", 2, ["rows.jsonl", "line 2"], id="broken JSON line"),
        pytest.param(
            lines(GOOD).encode() + b'{"question": "\xff\xfe"}\n', "", 2, ["rows.jsonl", "UTF-8"], id="encoding"
        ),
        pytest.param("", "", 2, ["rows.jsonl", "empty"], id="empty file"),
        pytest.param(
            lines({"number": "1"}),
            '{ op = "picky" }',
            2,
            ["step 1 (picky)", "'number' as BIGINT", "VARCHAR"],
            id="type",
        ),
        pytest.param(
            lines({"problem_id": "a", "question": "x"}, {"problem_id": "a", "question": "y"}),
            "",
            2,
            [":a'", "occurs in two rows"],
            id="duplicate ids",
        ),
    ],
)
def test_a_wrong_file_is_named(
    dqdata: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    rows: bytes | str | None,
    steps: str,
    code: int,
    says: list[str],
) -> None:
    write(tmp_path, rows, steps)
    got, out, error = dqdata("run", "p")
    assert (got, out) == (code, "")
    assert all(text in error for text in says), error
    assert "Traceback" not in error


def test_null_answers_are_unverifiable_and_kept(dqdata: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    row = {"question": "What is 1 + 1?", "answer": None, "response": "It is 2."}
    write(tmp_path, lines({**row, "answer": "2"}, row), '{ op = "verify_math" }')
    assert dqdata("run", "p", "-q")[0] == 0
    _, out, _ = dqdata("sql", "select verdict, correct from p order by verdict", "--json")
    assert json.loads(out)["rows"] == [
        {"verdict": "correct", "correct": True},
        {"verdict": "unverifiable", "correct": None},
    ]


def test_a_row_of_10_mb_is_asked_about_and_taken_when_it_is_meant(
    dqdata: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    long = {"question": "What is 1 + 1?", "answer": "2", "response": "so " * 3_500_000 + "it is 2."}
    write(tmp_path, lines(long, {**long, "response": "It is 2."}), '{ op = "verify_math" }, { op = "length" }')
    code, _, error = dqdata("run", "p", "-q")
    assert (code, "rows.jsonl line 1: a row of 10.0 MB or more" in error, "raise max_row_mb" in error) == (
        2,
        True,
        True,
    )
    project = tmp_path / "pipelines.toml"
    meant = '{ source = "files", path = "rows.jsonl", max_row_mb = 16 }'
    project.write_text(project.read_text().replace('"rows.jsonl"', meant))
    code, _, error = dqdata("run", "p", "-q")
    assert code == 0, error
    _, out, _ = dqdata("sql", "select count(*) n, max(length(response)) as longest from p", "--json")
    assert json.loads(out)["rows"] == [{"n": 2, "longest": 10_500_008}]


def test_a_wrong_key_stops_at_once(
    dqdata: Callable[..., tuple[int, str, str]], tmp_path: Path, loopback: Loopback
) -> None:
    loopback.key = "sk-right"
    rows = lines(*({"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(500)))
    write(tmp_path, rows, '{ op = "generate", teacher = "t" }', loopback.url)
    code, _, error = dqdata("run", "p", "-q")
    assert code == 1
    assert "401" in error
    assert "sk-wrong" not in error
    assert len(loopback.asked) <= 8


def test_a_teacher_that_is_down_is_said_so(dqdata: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    write(tmp_path, lines(GOOD), '{ op = "generate", teacher = "t" }')
    code, _, error = dqdata("run", "p", "-q")
    assert code == 1
    assert "127.0.0.1:9" in error
    assert "run again" in error


def test_a_gzipped_file_under_a_plain_name_is_not_guessed_at(
    dqdata: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    write(tmp_path, gzip.compress(lines(GOOD).encode()))
    code, _, error = dqdata("run", "p")
    assert (code, "rows.jsonl" in error) == (2, True)


def test_an_unknown_verb_option_and_pipeline(dqdata: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    write(tmp_path, lines(GOOD))
    assert dqdata("rn", "p")[0] == 2
    assert dqdata("run", "p", "--wrong")[0] == 2
    code, _, error = dqdata("run", "q")
    assert (code, "no pipeline 'q'" in error) == (2, True)


def test_no_project_at_all(dqdata: Callable[..., tuple[int, str, str]]) -> None:
    code, _, error = dqdata("run", "p")
    assert (code, "`dqdata init` writes one" in error) == (2, True)
