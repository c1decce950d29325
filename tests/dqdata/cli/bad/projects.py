"""Broken pipelines.toml: what TOML refuses, what the tables refuse, and what their owners refuse."""

from __future__ import annotations

from cases import PROJECT, Case, bad

T = '[teachers.t]\nprovider = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'


def pipeline(body: str) -> str:
    return f"{T}[pipelines.p]\n{body}\n"


def steps(text: str) -> str:
    return pipeline(f'from = "rows.jsonl"\nsteps = [ {text} ]')


def teacher(text: str, use: str = '{ op = "generate", teacher = "t" }') -> str:
    return f'[teachers.t]\n{text}\n[pipelines.p]\nfrom = "rows.jsonl"\nsteps = [ {use} ]\n'


def trainer(text: str) -> str:
    return pipeline("from = 'rows.jsonl'") + f"[trainers.x]\n{text}\n"


def profile(text: str) -> str:
    return f"{PROJECT}\n[profiles.tiny]\n{text}\n"


def unread(id: str, *says: str, toml: str | bytes) -> Case:
    """A file in which nothing can be checked."""
    return bad(id, "check", *says, toml=toml, code=2)


TOML = [
    unread("no value", "pipelines.toml", "line 1", toml="[store]\npath =\n".replace("[store]\n", "")),
    unread("unclosed string", "pipelines.toml", "line 2", toml='[store]\npath = "x\n'),
    unread("unclosed table", "pipelines.toml", "line 1", toml="[store\n"),
    unread("duplicate table", "pipelines.toml", "line 3", toml="[store]\n[sandbox]\n[store]\n"),
    unread("duplicate key", "pipelines.toml", "line 3", toml='[store]\npath = "a"\npath = "b"\n'),
    unread("JSON", "pipelines.toml", "line 1", toml='{"store": {}}'),
    unread("YAML", "pipelines.toml", "line 1", toml="store:\n  path: x\n"),
    unread("Python's True", "pipelines.toml", "line 2", toml="[store]\ngroup = True\n"),
    unread("null", "pipelines.toml", "line 2", toml="[store]\npath = null\n"),
    unread("multi-line inline table", "pipelines.toml", "line 1", toml="x = { a = 1,\n b = 2 }\n"),
    unread("binary", "pipelines.toml", "UTF-8", toml=bytes(range(256))),
    unread("zero bytes", "pipelines.toml", "line 1", toml=b"\0\0\0\0"),
    unread("UTF-16", "pipelines.toml", "UTF-16", toml=PROJECT.encode("utf-16")),
    unread("Latin-1", "pipelines.toml", "UTF-8", "byte", toml="# caf\u00e9\n".encode("latin-1")),
    unread("deep nesting", "pipelines.toml", toml="x = " + "[" * 5000 + "]" * 5000),
    unread("a huge integer", "pipelines.toml", toml=f"x = {'9' * 5000}\n"),
    bad("empty", "run p", "pipelines.toml", "no pipeline 'p'", toml=""),
    bad("a date", "check", "[store]", "path", toml="[store]\npath = 2024-01-01\n"),
]

TABLES = [
    bad("unknown table", "check", "'pipeline'", "pipelines", toml="[pipeline.p]\nfrom = 'x'\n"),
    bad("two unknown tables", "check", "'pipeline'", "'teacher'", toml="[pipeline]\n[teacher]\n"),
    bad(
        "unknown key and unknown table",
        "check",
        "'budget'",
        "'stoer'",
        toml=pipeline("from='rows.jsonl'\nbudget=1\n[stoer]"),
    ),
    bad("two unknown keys of the store", "check", "'paht'", "'gruop'", toml="[store]\npaht='x'\ngruop=true\n"),
    bad("store is a list", "check", "[store]", "must be a table", toml="store = []\n"),
    bad("pipelines is text", "check", "[pipelines]", "must be a table", toml="pipelines = 'x'\n"),
    bad("a pipeline is a number", "check", "[pipelines.p]", "must be a table", toml="[pipelines]\np = 3\n"),
    bad("store path is a number", "check", "[store]", "path", toml="[store]\npath = 3\n"),
    bad("store path is empty", "run p", "[store]", "path", toml=PROJECT + "[store]\npath = ''\n"),
    bad("store path is a file", "run p", "rows.jsonl", toml=PROJECT + "[store]\npath = 'rows.jsonl'\n", code=1),
    bad("store group is text", "check", "[store]", "group", toml="[store]\ngroup = 'yes'\n"),
    bad("sandbox mode", "check", "[sandbox]", "mode", "bwrap", toml="[sandbox]\nmode = 'docker'\n"),
    bad("sandbox key", "check", "[sandbox]", "'moed'", "mode", toml="[sandbox]\nmoed = 'auto'\n"),
    bad("no from", "check", "[pipelines.p]", "'from'", toml=pipeline("steps = []")),
    bad("from is a number", "check", "[pipelines.p]", "from", toml=pipeline("from = 3")),
    bad("from is empty", "check", "[pipelines.p]", "from", toml=pipeline("from = ''")),
    bad("from is an empty list", "check", "[pipelines.p]", "path", toml=pipeline("from = []")),
    bad("from is a list of numbers", "check", "[pipelines.p]", "path", toml=pipeline("from = [1]")),
    bad("from is a table without source", "check", "[pipelines.p]", "source", toml=pipeline("from = { rows = 3 }")),
    bad(
        "unknown source",
        "check",
        "[pipelines.p]",
        "'problms'",
        "problems",
        toml=pipeline("from = { source = 'problms' }"),
    ),
    bad(
        "unknown key of a source",
        "check",
        "[pipelines.p] from",
        "'row'",
        "rows",
        toml=pipeline("from = { source = 'problems', row = 3 }"),
    ),
    bad(
        "rows is text",
        "check",
        "[pipelines.p] from",
        "rows",
        toml=pipeline("from = { source = 'problems', rows = 'many' }"),
    ),
    bad(
        "rows is negative",
        "check",
        "[pipelines.p] from",
        "rows",
        toml=pipeline("from = { source = 'problems', rows = -1 }"),
    ),
    bad(
        "from is a folder",
        "check",
        "[pipelines.p]",
        "is a folder",
        files={"d/x.jsonl": ""},
        toml=pipeline("from = './d'"),
    ),
    bad("from is a glob of nothing", "check", "[pipelines.p]", "no file matches", toml=pipeline("from = 'x/*.jsonl'")),
    bad("from holds a NUL", "check", "[pipelines.p]", toml=pipeline('from = "a\\u0000.jsonl"')),
    bad("from is far too long", "check", "[pipelines.p]", toml=pipeline(f"from = '{'x' * 5000}.jsonl'")),
    bad("from a nameless user", "check", "[pipelines.p]", toml=pipeline("from = '~nobody_at_all/x.jsonl'")),
    bad("from bad SQL", "check", "[pipelines.p]", toml=pipeline("from = 'select from where'")),
    bad("from SQL that writes", "check", "[pipelines.p]", toml=pipeline("from = 'with x as (select 1) delete from x'")),
    bad("from an unknown catalog", "check", "[pipelines.p]", "'nowhere'", toml=pipeline("from = 'nowhere'")),
    bad("from an unknown version", "check", "[pipelines.p]", "nowhere", toml=pipeline("from = 'nowhere@7'")),
    bad("from itself", "check", "p", toml=pipeline("from = 'p'")),
    bad("a circle", "check", "a", "b", toml=f"{T}[pipelines.a]\nfrom = 'b'\n[pipelines.b]\nfrom = 'a'\n"),
    bad("into no name", "check", "[pipelines.p]", "into", toml=pipeline("from = 'rows.jsonl'\ninto = 'a b'")),
    bad("into a number", "check", "[pipelines.p]", "into", toml=pipeline("from = 'rows.jsonl'\ninto = 3")),
    bad(
        "a pipeline's name with a slash",
        "check",
        "pipelines",
        "slash",
        toml='[pipelines."../x"]\nfrom = "rows.jsonl"\n',
    ),
    bad(
        "steps is a table",
        "check",
        "[pipelines.p]",
        "steps",
        toml=pipeline("from = 'rows.jsonl'\nsteps = { op = 'length' }"),
    ),
    bad("a step is text", "check", "[pipelines.p] step 1", "must be a table", toml=steps("'length'")),
    bad("a step without op", "check", "[pipelines.p] step 1", "'op'", toml=steps("{ n = 1 }")),
    bad("an op that is a number", "check", "[pipelines.p] step 1", "'op'", toml=steps("{ op = 4 }")),
    bad("unknown operator", "check", "step 1 (lenght)", "'length'", toml=steps("{ op = 'lenght' }")),
    bad(
        "two unknown operators",
        "check",
        "'lenght'",
        "'verify_maths'",
        toml=steps("{ op = 'lenght' }, { op = 'verify_maths' }"),
    ),
    bad("unknown parameter", "check", "step 1 (length)", "'colum'", toml=steps("{ op = 'length', colum = 'x' }")),
    bad(
        "parameter of a wrong type",
        "check",
        "step 1 (generate)",
        "'n'",
        toml=steps("{ op = 'generate', teacher = 't', n = 'four' }"),
    ),
    bad(
        "parameter out of range",
        "check",
        "step 1 (generate)",
        "'n'",
        toml=steps("{ op = 'generate', teacher = 't', n = 0 }"),
    ),
    bad("missing parameter", "check", "step 1 (filter)", "'where'", toml=steps("{ op = 'filter' }")),
    bad("missing column", "check", "step 1 (verify_math)", "'response'", toml=steps("{ op = 'verify_math' }")),
    bad(
        "a filter over no column",
        "check",
        "step 1 (filter)",
        "verdikt",
        toml=steps("{ op = 'filter', where = \"verdikt = 'x'\" }"),
    ),
    bad("a filter that is no SQL", "check", "step 1 (filter)", toml=steps("{ op = 'filter', where = 'and and' }")),
    bad("a filter of no truth value", "check", "step 1 (filter)", toml=steps("{ op = 'filter', where = 'question' }")),
    bad(
        "a missing prompt",
        "check",
        "step 1 (generate)",
        "nowhere.md",
        toml=steps("{ op = 'generate', teacher = 't', prompt = 'nowhere.md' }"),
    ),
    bad(
        "a prompt that is a folder",
        "check",
        "step 1 (generate)",
        "prompt",
        files={"d/x": ""},
        toml=steps("{ op = 'generate', teacher = 't', prompt = 'd' }"),
    ),
    bad(
        "an empty prompt",
        "check",
        "step 1 (generate)",
        "x.md",
        files={"x.md": ""},
        toml=steps("{ op = 'generate', teacher = 't', prompt = 'x.md' }"),
    ),
    bad(
        "a binary prompt",
        "check",
        "step 1 (generate)",
        "x.md",
        files={"x.md": bytes(range(256))},
        toml=steps("{ op = 'generate', teacher = 't', prompt = 'x.md' }"),
    ),
    bad(
        "a prompt with an unknown column",
        "check",
        "step 1 (generate)",
        "queston",
        files={"x.md": "=== user\n{{queston}}"},
        toml=steps("{ op = 'generate', teacher = 't', prompt = 'x.md' }"),
    ),
    bad(
        "unknown teacher",
        "check",
        "step 1 (generate)",
        "'r1'",
        "[teachers.r1]",
        toml=steps("{ op = 'generate', teacher = 'r1' }"),
    ),
    bad(
        "taken step id",
        "check",
        "step 2 (length)",
        "'a'",
        toml=steps("{ op = 'length', id = 'a' }, { op = 'length', id = 'a' }"),
    ),
    bad("a step id that is a number", "check", "step 1 (length)", "id", toml=steps("{ op = 'length', id = 3 }")),
    bad(
        "join with an unknown catalog",
        "check",
        "step 1 (join)",
        "nowhere",
        toml=steps("{ op = 'join', catalog = 'nowhere', on = ['question'] }"),
    ),
]

OWNERS = [
    bad("no provider", "check", "[teachers.t]", "'provider'", toml=teacher("model = 'm'")),
    bad("unknown provider", "check", "[teachers.t]", "'opneai'", "openai", toml=teacher("provider = 'opneai'")),
    bad(
        "unknown key of a teacher",
        "check",
        "[teachers.t]",
        "'modell'",
        "concurrency",
        "timeout",
        "price",
        toml=teacher("provider='openai'\nbase_url='http://127.0.0.1:9/v1'\nmodel='m'\nmodell='m'"),
    ),
    bad(
        "a price that is a number",
        "check",
        "[teachers.t]",
        "price",
        toml=teacher("provider='openai'\nbase_url='http://127.0.0.1:9/v1'\nmodel='m'\nprice = 3"),
    ),
    bad(
        "a price with an unknown key",
        "check",
        "[teachers.t]",
        "price",
        "outputs",
        toml=teacher(
            "provider='openai'\nbase_url='http://127.0.0.1:9/v1'\nmodel='m'\nprice = { input = 1, outputs = 2 }"
        ),
    ),
    bad(
        "a base_url that is no URL",
        "check",
        "[teachers.t]",
        "base_url",
        toml=teacher("provider='openai'\nbase_url='api.example.com'\nmodel='m'"),
    ),
    bad(
        "a key that isn't set",
        "check",
        "[teachers.t]",
        "'NOT_SET_ANYWHERE'",
        toml=teacher(
            "provider='openai'\nbase_url='http://127.0.0.1:9/v1'\nmodel='m'\napi_key={ env = 'NOT_SET_ANYWHERE' }"
        ),
    ),
    bad(
        "a GGUF that isn't there",
        "run p -q",
        "[teachers.t]",
        "nowhere.gguf",
        toml=teacher("provider='llamacpp'\nmodel='nowhere.gguf'"),
    ),
    bad(
        "a GGUF that is none",
        "run p -q",
        "x.gguf",
        files={"x.gguf": b"no model"},
        toml=teacher("provider='llamacpp'\nmodel='x.gguf'"),
    ),
    bad("no kind", "check", "[trainers.x]", "'kind'", toml=trainer("data = 'p'")),
    bad("no data", "check", "[trainers.x]", "'data'", toml=trainer("kind = 'sft'\nmodel = 'm'")),
    bad("unknown kind", "check", "[trainers.x]", "'stf'", "sft", toml=trainer("kind = 'stf'\ndata = 'p'")),
    bad(
        "unknown key of a trainer",
        "check",
        "[trainers.x]",
        "'maxlength'",
        "max_length",
        toml=trainer("kind='sft'\ndata='p'\nmodel='m'\nmaxlength=3"),
    ),
    bad("profile: unknown", "check --profile small", "'small'", "tiny", toml=profile(""), code=2),
    bad("profile: unknown key", "check --profile tiny", "[profiles.tiny]", "'teacher'", toml=profile("teacher = {}")),
    bad(
        "profile: teachers is a list",
        "check --profile tiny",
        "[profiles.tiny",
        "teachers",
        toml=profile("teachers = []"),
    ),
    bad(
        "profile: teacher is a number",
        "check --profile tiny",
        "[profiles.tiny",
        "t",
        toml=profile("teachers = { t = 3 }"),
    ),
    bad(
        "profile: pipelines is text",
        "check --profile tiny",
        "[profiles.tiny",
        "pipelines",
        toml=profile("pipelines = 'x'"),
    ),
    bad(
        "profile: a pipeline is text",
        "check --profile tiny",
        "[profiles.tiny",
        "p",
        toml=profile("pipelines = { p = 'x' }"),
    ),
    bad(
        "profile: steps is a list",
        "check --profile tiny",
        "[profiles.tiny",
        "steps",
        toml=profile("pipelines = { p = { steps = [] } }"),
    ),
    bad(
        "profile: a step is text",
        "check --profile tiny",
        "[profiles.tiny",
        "s",
        toml=steps("{ op = 'length', id = 's' }") + "[profiles.tiny]\npipelines = { p = { steps = { s = 'x' } } }\n",
    ),
    bad(
        "profile: wrong parameter",
        "check --profile tiny",
        "[profiles.tiny",
        "colum",
        toml=steps("{ op = 'length' }") + "[profiles.tiny.pipelines.p.steps.length]\ncolum = 'x'\n",
    ),
    bad(
        "profile: wrong key of a pipeline",
        "check --profile tiny",
        "[profiles.tiny",
        "'budget'",
        toml=profile("pipelines = { p = { budget = 1 } }"),
    ),
    bad(
        "profile: models is a list", "check --profile tiny", "[profiles.tiny", "models", toml=profile("models = ['x']")
    ),
    bad("profile is a list", "check --profile tiny", "profiles", toml=PROJECT + "[profiles]\ntiny = []\n", code=2),
    bad("profile of a project without", "check --profile tiny", "'tiny'", "none", code=2),
]
CASES = [*TOML, *TABLES, *OWNERS]
