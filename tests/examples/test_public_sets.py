"""examples/public_sets: public sets in their published layouts become verified traces of mathematics and programs."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

pytest.importorskip("datasets")

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = {
    "openai/gsm8k": {"question": "Nia has 3 red pens and 9 blue pens. How many pens has Nia?", "answer": "#### 12"},
    "HuggingFaceH4/MATH-500": {"problem": "Compute the determinant of the identity matrix of order 5.", "answer": "1"},
    "HuggingFaceH4/aime_2024": {"problem": "Find the number of subsets of a set with 6 elements.", "answer": "64"},
    "math-ai/aime25": {"problem": "Find the least prime above 90.", "answer": "97"},
    "openai/openai_humaneval": {"prompt": 'def middle(word):\n    """The middle letter of a word of odd length."""\n'},
    "google-research-datasets/mbpp": {"text": "Write a function to reverse the vowels of a string."},
    "livecodebench/code_generation_lite": {"question_content": "Print the k-th smallest sum of two rows of numbers."},
}
SPLITS = {"HuggingFaceH4/aime_2024": "train"}


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example beside folders that hold the sets, as `datasets` looks for a name, and its endpoints on loopback."""
    for name in ("HF_DATASETS_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.setattr(f"datasets.config.{name}", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "public_sets"
    shutil.copytree(ROOT / "examples" / "public_sets", folder)
    file = folder / "pipelines.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"http://127\.0\.0\.1:800\d/v1", loopback.url, text), encoding="utf-8")
    monkeypatch.chdir(folder)
    for name, fields in BENCHMARKS.items():
        split = SPLITS.get(name, "test")
        write(folder / name / f"{split}.jsonl", [fields])
        card = (
            f"---\nconfigs:\n- config_name: CONFIG\n  data_files:\n  - split: {split}\n    path: {split}.jsonl\n---\n"
        )
        config = {"openai/gsm8k": "main", "google-research-datasets/mbpp": "full"}.get(name, "default")
        (folder / name / "README.md").write_text(card.replace("CONFIG", config))
    solved = {
        "difficulty": 4.0,
        "topic": "Algebra",
        "r1_solution_1": "...",
        "r1_solution_2": "...",
        "r1_solution_3": "",
    }
    maths = [
        {
            "question": f"Let $f(x) = {n} x$ and {n} be odd or even. What is $f({n + 3})$?",
            "final_answer": str(n * (n + 3)),
            **solved,
        }
        for n in range(2, 14)
    ]
    copied = {"question": BENCHMARKS["HuggingFaceH4/MATH-500"]["problem"], "final_answer": "1", **solved}
    endless = {"question": "State the theorem.", "final_answer": "x" * 300, **solved}
    write(folder / "zwhe99" / "DeepMath-103K" / "train.jsonl", [*maths, copied, endless])
    solutions = {"solution": "...", "problem_type": "Algebra", "source": "olympiads", "uuid": "u", "generations": ["a"]}
    openr1 = [
        {
            "problem": f"Let $f(x) = {n} x$ for all real x, a linear map. Find the value of $f({n + 20})$.",
            "answer": str(n * (n + 20)),
            "question_type": "math-word-problem",
            **solutions,
        }
        for n in range(2, 8)
    ]
    proof = {
        "problem": "Prove that there is no largest prime.",
        "answer": "proof",
        "question_type": "proof",
        **solutions,
    }
    same = {
        "problem": maths[3]["question"] + " Please.",
        "answer": maths[3]["final_answer"],
        "question_type": "other",
        **solutions,
    }
    write(folder / "open-r1" / "OpenR1-Math-220k" / "train.jsonl", [*openr1, proof, same])
    thoughts = [
        {
            "conversations": [{"from": "user", "value": question}, {"from": "assistant", "value": "..."}],
            "question": question,
            "source": source,
            "id": n,
        }
        for n, (question, source) in enumerate(
            [
                (
                    "Suppose a machine computes $f(x) = 5 x$; which number does it give, $f(31)$, as its output?",
                    "numina_math",
                ),
                (
                    "Given only $f(x) = 7 x$, someone wants $f(41)$ and doubts the table. Which value is it?",
                    "tiger_math",
                ),
                ("Why is the sky blue?", "stackexchange_physics"),
            ]
        )
    ]
    write(folder / "open-thoughts" / "OpenThoughts2-1M" / "train.jsonl", thoughts)
    words = ("squares", "cubes", "halves", "negatives", "doubles", "digits", "signs", "parities")
    tasks = [
        {
            "style": "instruct",
            "subset": "Prefill",
            "question_id": f"Prefill_{n}",
            "question": f"Write a function {word}(items) that returns the {word} of a list of numbers plus {n}.",
            "solution": f"def {word}(items):\n    return [item + {n} for item in items]",
            "test": f"from solution import {word}\n\ndef test_{word}():\n    assert {word}([1]) == [{1 + n}]\n",
            "test_info": [{"function_name": word}],
            "gpt_difficulty": "easy",
        }
        for n, word in enumerate(words)
    ]
    write(folder / "KodCode" / "KodCode-V1" / "train.jsonl", tasks)
    return folder


def answer(body: dict[str, Any], times: Counter[str]) -> str:
    """The student solves small numbers, the teacher all of them, every third trace wrongly; a judge approves."""
    text = body["messages"][-1]["content"]
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
    if schema:
        return json.dumps({name: _value(what) for name, what in schema.items()})
    times[body["model"] + text] += 1
    if found := re.search(r"function (\w+)\(items\).* plus (\d+)", text):
        wrong = times[body["model"] + text] % 2 == 0 and found[1] == "cubes"
        wrong |= "7B" in body["model"] and int(found[2]) > 1
        code = f"def {found[1]}(items):\n    return [item + {int(found[2]) + wrong} for item in items]"
        return f"<think>Go through {found[1]}, try {times[body['model'] + text]}.</think>```python\n{code}\n```"
    found = re.search(r"f\(x\) = (\d+) x.*f\((\d+)\)", text)
    assert found, text
    right = int(found[1]) * int(found[2])
    draw = times[body["model"] + text]
    if "QwQ" in body["model"]:
        return f"<think>Go.</think>So \\boxed{{{right + ('table' in text)}}}"
    if "7B" in body["model"]:
        return f"\\boxed{{{right if int(found[1]) < 5 else 0}}}"
    said = right + (draw % 3 == 0)
    return f"<think>Multiply {found[1]} by {found[2]}, attempt {draw}.</think>So \\boxed{{{said}}}"


def _value(what: dict[str, Any]) -> Any:
    if "null" in str(what):
        return None
    if "enum" in what:
        return what["enum"][0]
    return {"boolean": True, "integer": 0, "number": 0, "array": []}.get(str(what.get("type")), "fine")


def test_public_sets_become_verified_traces(
    project: Path, command_line: Callable[..., Any], loopback: Loopback
) -> None:
    times: Counter[str] = Counter()
    loopback.answer = lambda body: answer(body, times)
    assert command_line("check").code == 0
    done = command_line("build", "math_traces", "code_traces", "-q")
    assert done.code == 0, done

    def rows(sql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(command_line("sql", sql, "--json").out)["rows"]
        return found

    for name, reasons in (
        ("deepmath", {"no_short_answer"}),
        ("openr1_math", {"proof"}),
        ("openthoughts", {"not_mathematics", "no_agreement"}),
    ):
        assert {row["reason"] for row in rows(f"select reason from {name}__rejects")} == reasons
    dropped = {row["op"] for row in rows("select op from open_math__rejects")}
    assert dropped == {"dedup", "decontaminate"}
    assert {row["source_set"] for row in rows("select distinct source_set from open_math")} == {
        "deepmath", "openr1", "openthoughts",
    }  # fmt: skip
    agreed = rows("select question, answer from open_math where source_set = 'openthoughts'")
    assert [row["answer"] for row in agreed] == ["155"]
    for rated in ("math_rated", "code_rated"):
        assert rows(f"select count(*) as n from {rated}__rejects where reason = 'always_solved'")[0]["n"] > 0
    pools = {row["pool"] for row in rows("select distinct pool from open_math")}
    assert "sft" in pools and pools <= {"sft", "reward", "rl", "heldout"}
    traces = rows("select question, response, answer, process_valid, pool, messages from math_traces")
    assert traces and all(row["pool"] == "sft" and f"{{{row['answer']}}}" in row["response"] for row in traces)
    assert {row["process_valid"] for row in traces} <= {True, False, None}
    programs = rows("select tests_passed, tests_total, verdict, response from code_traces")
    assert programs and all(row["tests_passed"] == row["tests_total"] > 0 for row in programs)
    wrong = rows("select op, reason from code_traces__rejects where op = 'filter'")
    assert wrong or "def cubes" not in str(programs)
    assert command_line("check", "--leaks").code == 0
