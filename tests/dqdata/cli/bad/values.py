"""Values and files that are of the right kind and can't be used: out of range, in place of something else, damaged."""

from __future__ import annotations

from cases import PROJECT, bad

RUN = ["run p -q"]


def table(text: str) -> str:
    return f"{PROJECT}{text}\n"


def step(text: str) -> str:
    return PROJECT.replace("steps = [ ]", f"steps = [ {text} ]")


VALUES = [
    bad("engine of an unknown kind", "check", "[engine]", "'kind'", "spawn", toml=table("[engine]\nkind = 'slurm'")),
    bad("two wrong keys of the engine", "check", "'workers'", "'x'", toml=table("[engine]\nworkers = 2\nx = 1")),
    bad("store at an address", "check", "[store]", "a folder", toml=table("[store]\npath = 's3://bucket/x'")),
    bad("a budget without end", "check", "'budget_usd'", "finite", toml=table("budget_usd = inf")),
    bad("a negative budget", "check", "'budget_usd'", toml=table("budget_usd = -5")),
    bad("a fraction of a token", "check", "'budget_tokens'", toml=table("budget_tokens = 1.5")),
    bad("no rows in a chunk", "check", "'chunk_rows'", toml=table("chunk_rows = 0")),
    bad("memory in words", "check", "'memory'", "'lots'", toml=table("memory = 'lots'")),
    bad("trainers that are a list", "check", "[trainers]", "must be a table", toml="trainers = []\n" + PROJECT),
    bad("sandbox that is a list", "check", "[sandbox]", "must be a table", toml="sandbox = [1]\n" + PROJECT),
    bad("an evaluation of nothing", "check", "[evaluations.e]", "benchmark", toml=table("[evaluations.e]")),
    bad(
        "an unknown benchmark",
        "check",
        "[evaluations.e]",
        "'math500'",
        toml=table("[evaluations.e]\nbenchmark = 'mth500'\nmodels = ['m']"),
    ),
    bad("a data set of the hub without name", "check", "hf:OWNER/NAME", toml=PROJECT.replace("rows.jsonl", "hf:")),
    bad("a catalog of the store's own", "check", "dq_evals", toml=PROJECT.replace("pipelines.p", "pipelines.dq_evals")),
    bad("a pipeline without name", "check", "[pipelines.]", toml=PROJECT.replace("pipelines.p]", 'pipelines.""]')),
    bad(
        "a temperature that is none", "check", "step 1", "nan", toml=step("{op='generate',teacher='t',temperature=nan}")
    ),
    bad(
        "a similarity above 1",
        "check",
        "(dedup)",
        "'threshold'",
        toml=step("{op='dedup',column='question',threshold=7}"),
    ),
    bad("a sample of nothing", "check", "(sample)", "rows", toml=step("{op='sample'}")),
    bad("two statements in a filter", "check", "(filter)", toml=step("{op='filter',where='1=1; drop table x'}")),
    bad(
        "a prompt without a column",
        "check",
        "write {{question}} or",
        files={"x.md": "=== user\nHello"},
        toml=step("{op='generate',teacher='t',prompt='x.md'}"),
    ),
    bad(
        "a prompt with single braces",
        "check",
        "write {{question}} for",
        files={"x.md": "=== user\n{question}"},
        toml=step("{op='generate',teacher='t',prompt='x.md'}"),
    ),
    bad(
        "a column that is no text of numbers",
        "run p -q",
        "INT32",
        code=1,
        toml=step("{op='filter',where='question::int > 1'}"),
    ),
    bad(
        "an endpoint that isn't there",
        "run p -q",
        "127.0.0.1:9",
        "run again",
        code=1,
        toml=step("{op='generate',teacher='t',max_tokens=5}"),
    ),
]

FILES = [
    bad(
        "project file that is a folder",
        "check -p d/pipelines.toml",
        "pipelines.toml",
        "is a folder",
        files={"d/pipelines.toml/x": ""},
        code=2,
    ),
    bad("rows without a column", "run p -q", "no column", "question", rows="{}\n"),
    bad("rows of null", "run p -q", "line 1", rows="null\n"),
    bad("half a surrogate pair", "run p -q", "line 1", "surrogate", rows='{"question": "\\ud800"}\n'),
    bad("rows that nest too deep", "run p -q", "line 1", rows='{"v": ' + "[" * 3000 + "]" * 3000 + "}\n"),
    bad("a number after a text", "run p -q", "line 2", "'v'", "types", rows='{"v": 1}\n{"v": "z"}\n'),
    bad("empty CSV", "run p -q", "x.csv", "empty", files={"x.csv": ""}, toml=PROJECT.replace("rows.jsonl", "x.csv")),
    bad(
        "CSV with two columns of a name",
        "run p -q",
        "line 1",
        files={"x.csv": "question,question\na,b\n"},
        toml=PROJECT.replace("rows.jsonl", "x.csv"),
    ),
    bad(
        "zstandard that is none",
        "run p -q",
        files={"x.jsonl.zst": "no"},
        toml=PROJECT.replace("rows.jsonl", "x.jsonl.zst"),
    ),
    bad("a store that is a file", "run p -q", "catalogs is a file", code=1, files={"catalogs": "x"}),
    bad("init where .gitignore is a folder", "init d", "d/.gitignore", files={"d/.gitignore/x": ""}),
    bad("apply over its own input", "apply quality rows.jsonl -o ./rows.jsonl", "name another"),
    bad(
        "apply beside a broken project", "apply quality rows.jsonl -o x.jsonl", "pipelines.toml", "line 1", toml="[x\n"
    ),
    bad("import of an empty file", "import e.jsonl --into x", "e.jsonl", "empty", files={"e.jsonl": ""}),
    bad(
        "import as chats of what has none",
        "import rows.jsonl --into x --layout sharegpt",
        "rows.jsonl row 1",
        "no chat",
    ),
]

STORES = [
    bad("show of version 0", "show p@0", "[unknown-version]", "no version 0", before=RUN),
    bad("show of a huge version", "show p@99999999999999999999999", "[unknown-version]", before=RUN),
    bad("show of an unknown tag", "show p@release", "[unknown-version]", "release", before=RUN),
    bad("show of far too many rows", "show p --limit 99999999999999999999", "--limit", before=RUN),
    bad("lineage of an unknown catalog", "lineage q", "[unknown-catalog]", "p", before=RUN),
    bad("tag that is a number", "tag p@1 7", "no tag", before=RUN),
    bad("tag of a missing version", "tag p@9 x", "[unknown-version]", before=RUN),
    bad("drop without a version", "drop p", "NAME@3", before=RUN),
    bad("restore of what is there", "restore p@1", "was not dropped", before=RUN),
    bad("gc that nobody can confirm", "gc", "--yes", code=1, before=[*RUN, "drop p@1"]),
    bad("diff of one version", "diff p", "one version", before=RUN),
    bad("verify of a missing version", "verify p@8", "[unknown-version]", before=RUN),
    bad("why of an unknown row", "why zzz", "zzz", "show NAME --rejects", before=RUN),
    bad("deploy of an unknown model", "deploy trained:x", "'x'", before=RUN),
    bad("test that was not recorded", "test p", "--record"),
    bad("new operator of a taken name", "new operator generate", "'generate'", "name another"),
    bad("a ledger merged into itself", "ledger merge catalogs/ledger.sqlite", "itself", before=RUN),
    bad("sql that is a PRAGMA", ["sql", "pragma database_list"], "PRAGMA", "SELECT", before=RUN),
    bad("ops of no name", ["ops", ""], "''; `dqdata ops"),
]
CASES = [*VALUES, *FILES, *STORES]
