"""`dq_difficulty`: pass rates of students, which later runs add to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

pytestmark = pytest.mark.usefixtures("kept_workers")
Invoke = Callable[..., Any]

PROJECT = """
[teachers.young]
provider = "openai"
base_url = "URL"
model = "young"

[teachers.trained]
provider = "openai"
base_url = "URL"
model = "trained"

[pipelines.rated]
from = "problems.jsonl"
steps = [ { op = "pass_rate", student = "STUDENT", n = N, block = 2, temperature = 1.0, max_tokens = 20 } ]
"""


@pytest.fixture(scope="module")
def students() -> Iterator[Loopback]:
    """The young one solves 0 never, 1 every second time and 2 always; the trained one 1 and 2 always."""
    loopback = Loopback()
    counts: dict[tuple[str, int], int] = {}

    def answer(body: dict[str, Any]) -> str:
        number = int(re.findall(r"\d+", body["messages"][-1]["content"])[0])
        at = body["model"], number
        counts[at] = counts.get(at, 0) + 1
        solved = number == 2 or (number == 1 and (body["model"] == "trained" or counts[at] % 2 == 0))
        return f"\\boxed{{{number + 5 if solved else 0}}}"

    loopback.answer = answer
    loopback.start()
    yield loopback
    loopback.stop()


def test_attempts_are_added_to_and_a_student_that_learns_retires_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke, students: Loopback
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"problem_id": f"p{n}", "question": f"What is {n} + 5?", "answer": str(n + 5)} for n in range(3)]
    Path("problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(student: str, n: int) -> int:
        before = len(students.asked)
        text = PROJECT.replace("URL", students.url).replace("STUDENT", student).replace(" N,", f" {n},")
        Path("pipelines.toml").write_text(text)
        done = command_line("run", "rated", "-q")
        assert done.code == 0, done.error
        return len(students.asked) - before

    def view(query: str) -> list[dict[str, Any]]:
        done = command_line("sql", query, "--json")
        assert done.code == 0, done.error
        return list(json.loads(done.out)["rows"])

    assert command_line("sql", "from dq_difficulty", "--store", "none").code
    first = run("young", 4)
    assert first == 12
    second = run("young", 16)
    assert 24 < first + second < 48, "attempts go on behind the first, and end where the band is decided"
    seen = view("select problem_id, n, correct, band, learnable from dq_difficulty where student = 'young' order by 1")
    assert seen[1]["n"] == 12 and seen[1]["correct"] == 6
    assert sum(row["n"] for row in seen) == first + second
    assert [row["band"] for row in seen] == ["hard", "medium", "easy"]
    ranked = view("select problem_id from dq_difficulty where student = 'young' order by learnable desc limit 1")
    assert ranked[0]["problem_id"].endswith("p1") and seen[1]["learnable"] == 0.25
    run("trained", 16)
    retired = view(
        "select problem_id from dq_difficulty n join dq_difficulty o using (problem_id) where n.student = 'trained' "
        "and o.student = 'young' and n.band = 'easy' and o.band <> 'easy'"
    )
    assert [row["problem_id"].rpartition(":")[2] for row in retired] == ["p1"]
    refused = command_line("sql", "select nothing from dq_difficulty")
    assert refused.code == 2 and "nothing" in refused.error
    Path("pipelines.toml").write_text('[pipelines.kept]\nfrom = "select problem_id from dq_difficulty"\n')
    assert "dq_difficulty has no versions" in command_line("check").error
