"""`dqdata export --to`: every format, read back, gives a student the tokens that the catalog gives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")
pytest.importorskip("transformers")

from dqdata.chats import read_chat
from dqdata.cli import main
from dqdata.exchange.formats import FORMATS, NAMES

from .conftest import chats, trained

CHATS = [name for name, form in FORMATS.items() if "sft" in form.kinds]


def exported(store: Path, folder: Path, to: str, query: str = "chats", *options: str) -> dict[str, Any]:
    target = folder / to
    assert main(["export", query, "--to", to, "-o", str(target), "--store", str(store), *options]) == 0
    return {"folder": target}


def read_back(folder: Path, to: str) -> list[tuple[Any, Any]]:
    """(messages, tools) of the rows as the import of dqdata reads the format."""
    from dqdata.api.catalogs import open_store

    if to == "verl":
        import pyarrow.parquet as pq

        return [(row["messages"], row.get("tools")) for row in pq.read_table(folder / "train.parquet").to_pylist()]
    file = folder / ("traces.jsonl" if to == "verifiers" else "train.jsonl")
    catalogs = open_store(folder / "cat")
    mapped = catalogs.layout([file])
    assert mapped is not None and not mapped.unknown
    catalogs.import_files([file], "back", layout=mapped.layout.name)
    rows = [row for batch in catalogs.sql("from back").arrow().to_batches() for row in batch.to_pylist()]
    return [(row["messages"], row.get("tools")) for row in rows]


@pytest.mark.parametrize("to", CHATS)
def test_nothing_that_is_learnt_is_lost(store: Path, tmp_path: Path, to: str) -> None:
    exported(store, tmp_path, to)
    back = read_back(tmp_path / to, to)
    expected = [trained(row["messages"], row.get("tools")) for row in chats()]
    found = [trained(messages, tools) for messages, tools in back]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("to", NAMES)
def test_every_format_is_written_and_says_what_it_wrote(
    store: Path, tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "chats", "--to", to, "-o", str(tmp_path / "x"), "--store", str(store), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["format"] == to and sum(told["rows"].values()) == len(chats())
    assert {str(file.relative_to(tmp_path / "x")) for file in (tmp_path / "x").rglob("*") if file.is_file()} == set(
        told["files"]
    )
    assert not [path for path in tmp_path.iterdir() if path.name != "x"]


@pytest.mark.parametrize("to", ["jsonl", "parquet", "csv", "hf"])
def test_rows_as_they_are_come_back_as_they_were(store: Path, tmp_path: Path, to: str) -> None:
    from dqdata.api.catalogs import open_store

    exported(store, tmp_path, to)
    [file] = (tmp_path / to / "data").iterdir()
    back = tmp_path / "cat"
    assert main(["import", str(file), "--into", "chats", "--namespace", "", "--store", str(back), "-q", "--json"]) == 0
    was, now = (open_store(at).sql("from chats order by trace_id").arrow().to_pylist() for at in (store, back))
    assert now == was and len(was) == len(chats())


def test_llama_factory_finds_its_columns_in_dataset_info(store: Path, tmp_path: Path) -> None:
    exported(store, tmp_path, "llama-factory", "from chats", "--kind", "sft")
    info = json.loads((tmp_path / "llama-factory" / "dataset_info.json").read_text())
    assert info["rows"]["file_name"] == "train.jsonl" and info["rows"]["formatting"] == "sharegpt"
    rows = [json.loads(line) for line in (tmp_path / "llama-factory" / "train.jsonl").read_text().splitlines()]
    assert rows and all(set(info["rows"]["columns"].values()) <= row.keys() for row in rows)
    for row in rows:
        roles = [turn["from"] for turn in row["conversations"]]
        assert set(roles[::2]) <= {"human", "observation"} and set(roles[1::2]) <= {"gpt", "function_call"}


def test_ms_swift_gives_a_turn_that_is_not_learnt_no_loss_and_the_others_refuse_it(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = (
        "select 't1' as trace_id, [{role: 'user', content: 'a', train: null}, "
        "{role: 'assistant', content: 'b', train: false}, {role: 'user', content: 'c', train: null}, "
        "{role: 'assistant', content: 'd', train: true}] as messages"
    )
    exported(store, tmp_path, "ms-swift", query)
    row = json.loads((tmp_path / "ms-swift" / "train.jsonl").read_text())
    assert [turn.get("loss") for turn in row["messages"]] == [None, False, None, True]
    exported(store, tmp_path, "axolotl", query)
    row = json.loads((tmp_path / "axolotl" / "train.jsonl").read_text())
    assert [turn.get("train") for turn in row["messages"]] == [None, False, None, True]
    exported(store, tmp_path, "verifiers", query)
    nodes = json.loads((tmp_path / "verifiers" / "traces.jsonl").read_text())["traces"][0]["nodes"]
    assert [node["sampled"] for node in nodes] == [False, False, False, True]
    for to in ("llama-factory", "verl", "trl", "openrlhf"):
        assert main(["export", query, "--to", to, "-o", str(tmp_path / to), "--store", str(store)]) == 2
        assert "trace_id t1: turn 1 has train = false" in " ".join(capsys.readouterr().err.split())
        assert not (tmp_path / to).exists()


PAIRS = (
    "select 'p1' as pair_id, [{role: 'user', content: 'q'}] as prompt, "
    "[{role: 'assistant', content: '<think>\nhm\n</think>\n\nright'}] as chosen, "
    "[{role: 'assistant', content: 'wrong'}] as rejected"
)


@pytest.mark.parametrize("to", [name for name, form in FORMATS.items() if "preference" in form.kinds])
def test_pairs_keep_the_thinking_of_both_sides(store: Path, tmp_path: Path, to: str) -> None:
    exported(store, tmp_path, to, PAIRS)
    row = json.loads((tmp_path / to / "train.jsonl").read_text())
    text = json.dumps(row)
    assert text.count("hm") == 1 and "right" in text and "wrong" in text
    expected = {
        "trl": {"prompt", "chosen", "rejected"},
        "llama-factory": {"conversations", "chosen", "rejected", "system", "tools"},
        "ms-swift": {"messages", "rejected_messages"},
        "openrlhf": {"prompt", "chosen", "rejected"},
        "axolotl": {"messages", "chosen", "rejected"},
    }
    assert set(row) == expected[to]
    two = ("chosen", "rejected")
    sides = {"trl": two, "openrlhf": two, "ms-swift": ("messages", "rejected_messages")}.get(to)
    if sides:
        good, bad = (read_chat(row[side]).messages[-1] for side in sides)
        assert "right" in good["content"] and bad["content"] == "wrong"


def test_problems_for_rl_have_the_columns_of_verl(store: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    query = "select 'x' as problem_id, 'What is 2+2?' as question, '4' as answer, 'math' as domain"
    exported(store, tmp_path, "verl", query)
    [row] = pq.read_table(tmp_path / "verl" / "train.parquet").to_pylist()
    assert row["prompt"] == [{"role": "user", "content": "What is 2+2?"}]
    assert row["reward_model"] == {"style": "rule", "ground_truth": "4"} and row["data_source"] == "math_dapo"


def test_rows_without_messages_become_chats_of_question_reasoning_and_response(store: Path, tmp_path: Path) -> None:
    exported(store, tmp_path, "trl", "select 't' as trace_id, 'q' as question, 'hm' as reasoning, '4' as response")
    row = json.loads((tmp_path / "trl" / "train.jsonl").read_text())
    assert row["messages"][1] == {"role": "assistant", "content": "4", "reasoning_content": "hm"}


def test_splits_are_files_of_their_own(store: Path, tmp_path: Path) -> None:
    query = "select *, case when trace_id like '%turns' then 'test' else 'train' end as split from chats"
    for to in ("trl", "hf", "llama-factory"):
        exported(store, tmp_path, to, query)
    assert len((tmp_path / "trl" / "test.jsonl").read_text().splitlines()) == 1
    assert set(json.loads((tmp_path / "llama-factory" / "dataset_info.json").read_text())) == {"rows", "rows_test"}
    import datasets

    loaded = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": len(chats()) - 1, "test": 1}


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        ("chats", ["--to", "llamafactory"], "no format 'llamafactory'; did you mean 'llama-factory'"),
        ("chats", ["--to", "verl", "--kind", "preference"], "--kind preference needs the chats prompt, chosen"),
        ("chats", ["--to", "jsonl", "--kind", "sft"], "jsonl holds the rows as they are"),
        ("select 1 as x", ["--to", "trl"], "nothing to train on"),
        ("select 't9' as trace_id, '' as question, 'a' as response", ["--to", "trl"], "trace_id t9: no question"),
        ("from chats limit 0", ["--to", "trl"], "the query gives no rows"),
        (PAIRS, ["--to", "verl"], "verl has no rows for preference: it takes sft, prompt"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_left(
    store: Path, tmp_path: Path, query: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", query, *options, "-o", str(tmp_path / "x"), "--store", str(store)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(store: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine").write_text("1")
    assert main(["export", "chats", "--to", "trl", "-o", str(tmp_path / "x"), "--store", str(store)]) == 2
    assert [file.name for file in (tmp_path / "x").iterdir()] == ["mine"]


def import_chats(folder: Path, rows: list[dict[str, Any]]) -> list[str]:
    """The options of a store in which the catalog `chats` has these rows."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--store", str(folder / "cat")]
    assert main(["import", str(folder / "rows.jsonl"), "--into", "chats", "--layout", "openai", "-q", *options]) == 0
    return options


def with_tool(number: int, parameters: dict[str, Any] | None, split: str = "train") -> dict[str, Any]:
    chat = [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]
    tool = {"type": "function", "function": {"name": f"tool_{number}", "description": "x", "parameters": parameters}}
    return {"messages": chat, "split": split, **({} if parameters is None else {"tools": json.dumps([tool])})}


def test_verl_gets_definitions_of_tools_as_values(tmp_path: Path) -> None:
    """verl hands what the column holds to the template, which takes no JSON text."""
    import pyarrow.parquet as pq

    shape = {"type": "object", "properties": {"code": {"type": "string", "enum": ["a"]}}, "required": ["code"]}
    rows = [with_tool(1, shape), with_tool(2, None), with_tool(3, shape)]
    options = import_chats(tmp_path, rows)
    assert main(["export", "chats", "--to", "verl", "-o", str(tmp_path / "verl"), *options]) == 0
    back = pq.read_table(tmp_path / "verl" / "train.parquet").to_pylist()
    found = {row["messages"][0]["content"]: row["tools"] for row in back}
    assert found == {"q1": json.loads(rows[0]["tools"]), "q2": [], "q3": json.loads(rows[2]["tools"])}


def test_verl_has_no_column_of_tools_where_no_row_has_any(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    options = import_chats(tmp_path, [with_tool(1, None)])
    assert main(["export", "chats", "--to", "verl", "-o", str(tmp_path / "verl"), *options]) == 0
    assert "tools" not in pq.read_schema(tmp_path / "verl" / "train.parquet").names


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ([{"type": "object", "properties": {}}], "an object without keys"),
        ([{"type": "object", "enum": [1]}, {"type": "object", "enum": ["a"]}], "none in common"),
    ],
)
def test_tools_that_no_type_of_parquet_holds_are_refused(
    tmp_path: Path, parameters: list[dict[str, Any]], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = import_chats(tmp_path, [with_tool(at, one) for at, one in enumerate(parameters)])
    assert main(["export", "chats", "--to", "verl", "-o", str(tmp_path / "verl"), *options]) == 2
    assert named in capsys.readouterr().err and not (tmp_path / "verl").exists()


@pytest.mark.parametrize("to", ["jsonl", "trl", "axolotl"])
def test_splits_that_would_have_one_file_are_refused(
    tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second would have replaced the first."""
    options = import_chats(tmp_path, [with_tool(1, None, "a b"), with_tool(2, None, "a_b")])
    assert main(["export", "chats", "--to", to, "-o", str(tmp_path / "out"), *options]) == 2
    assert "'a b' and 'a_b' would have one file" in capsys.readouterr().err
