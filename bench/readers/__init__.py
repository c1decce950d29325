"""Everything here that reads text which nobody trusts, by name, and texts that such readers are slow at.

>>> READERS["thinking"]("<think>2 + 2</think>4")
"""

from __future__ import annotations

from dqdata_operators.lib.asking.judgement import UnreadableError
from dqdata_operators.lib.asking.rubrics import RubricError
from dqdata_operators.lib.instructions.layout import LayoutError
from dqdata_operators.verify._checker import BadChecker
from dqdata_operators.verify._encoded import Undecodable
from dqdata_operators.verify._tests import UnreadableTests

from dqdata.errors import DataError, InputError, RowError

from .answers import ANSWERS
from .code import CODE
from .rows import ROWS
from .texts import ALL_PIECES, FRAMES, PIECES, SHAPES, hostile, text_of

__all__ = ["ALL_PIECES", "EXPECTED", "FRAMES", "PIECES", "PLUG_INS", "READERS", "SHAPES", "hostile", "text_of"]

EXPECTED = (
    InputError,
    RowError,
    DataError,
    RubricError,
    LayoutError,
    UnreadableError,
    UnreadableTests,
    BadChecker,
    Undecodable,
)
"""What readers raise about a text that they can't read; everything else is a fault."""

READERS = {**ANSWERS, **CODE, **ROWS}

_ANSWERING = ("thinking", "endpoint", "loop", "refusal")
_JUDGES = (*_ANSWERING, "judge", "structured", "masking")
_PROGRAMS = ("fences", "program", "program_begun", "blocks", "prompt", "tests", "tests_prepared", "tested_names",
         "tests_handed_over", "tests_encoded", "checker", "output", "report", "candidate_answer")  # fmt: skip

PLUG_INS: dict[str, dict[str, tuple[str, ...] | str]] = {
    "operators": {
        "adapt": "reads numbers and copies texts", "add_instructions": ("instructions",), "agree": ("vote",),
        "balance": "counts values", "classify": _JUDGES, "cluster": "gives texts to an embedding model",
        "compare": _JUDGES, "convert_choice": _JUDGES, "corrupt": _JUDGES, "critique": _JUDGES,
        "curriculum": "reads numbers", "decontaminate": ("shingles", "signatures", "benchmark"),
        "dedup": ("shingles", "signatures"), "delta_pairs": "reads verdicts and copies texts",
        "evolve": (*_ANSWERING, "shape"), "expand": (*_ANSWERING, "shape"), "filter": "DuckDB reads the expression",
        "gen_select": _JUDGES, "generate": (*_ANSWERING, "chat", "prompt_file"), "grade": (*_JUDGES, "prose"),
        "join": "compares keys", "judge_answer": _JUDGES, "judge_contamination": _JUDGES, "judge_process": _JUDGES,
        "length": ("length",), "length_scale": "reads numbers", "lengthen": (*_ANSWERING, "shape"), "level": _JUDGES,
        "majority": ("vote",), "mix": "counts rows", "pairs": "reads numbers and copies texts",
        "pass_rate": ("vote",), "pii": ("pii",), "problem_valid": _JUDGES, "quality": ("quality", "language"),
        "refine": _JUDGES, "rethink": (*_ANSWERING, "shape"), "reward_rows": "copies texts",
        "sample": "counts rows", "score": _JUDGES, "score_rubric": (*_JUDGES, "rubric"),
        "select": "reads numbers", "shorten": (*_ANSWERING, "shape"), "split": "hashes keys",
        "sql": "DuckDB reads the query", "student_fit": "gives texts to a model", "to_messages": "copies texts",
        "verify": ("final_answer", "maths", "choice", "text", *_PROGRAMS), "verify_choice": ("choice",),
        "verify_code": _PROGRAMS,
        "verify_instructions": ("instructions", "thinking"),
        "verify_math": ("final_answer", "maths", "maths_reference"),
        "verify_text": ("text",),
        "write_rubric": (*_JUDGES, "rubric"), "write_tests": (*_JUDGES, "mutants", *_PROGRAMS),
    },
    "teachers": {
        "likelihood": "gives texts to a model", "llamacpp": ("thinking", "structured"),
        "openai": ("endpoint", "endpoint_error", "error_body", "stream", "masking"),
        "openai_batch": ("endpoint", "endpoint_error", "error_body"), "openai_embeddings": ("error_body",),
        "replay": "reads the ledger's own rows", "reward_model": "gives texts to a model",
        "scripted": "answers as a script of the project says", "transformers": ("thinking", "structured"),
        "vllm": ("endpoint", "endpoint_error", "error_body", "stream"),
    },
    "sources": {
        "benchmark": ("json_lines", "csv"), "chats": ("chat", "json_lines", "csv"), "datasets": "reads Arrow data",
        "files": ("json_lines", "csv"), "gym": "rows that a package makes", "problems": ("json_lines", "csv"),
        "sql": "DuckDB reads the query",
    },
    "trainers": dict.fromkeys(
        ("cogpo", "distill", "dpo", "kto", "orpo", "reward", "sft", "simpo"), "gives texts to a tokenizer"
    ) | dict.fromkeys(("grpo", "rloo"), ("final_answer", "maths", "choice", "text", *_PROGRAMS)),
    "view": {"trace": ("view", "chat")},
}  # fmt: skip
"""What reads the texts that each plug-in is given, by group; or why none does."""
