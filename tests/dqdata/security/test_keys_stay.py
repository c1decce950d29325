"""A key that a server sends back reaches neither the screen nor the disk, and follows no redirect."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.errors import RunError, TeacherError
from dqdata.teacher import Message, Request, Teacher
from dqdata.teachers.embeddings import EmbeddingParams, OpenAIEmbeddings
from dqdata.teachers.openai import EndpointParams, OpenAI
from dqdata.teachers.openai_batch import BatchParams, OpenAIBatch
from tests.dqdata.security.conftest import Invoke
from tests.dqdata.security.encodings import ENCODINGS, leaks
from tests.dqdata.security.servers import Reply, Running, Seen, completion, refusing, serving

pytestmark = pytest.mark.usefixtures("kept_workers")

SECRET = "sk-Hq7_2dW+Tt05/PnVx93RkYb8ZmE6sLo=Ca4J1iU"
HEADER = "hdr-0f9a8c7e6d5b4a3928171605"
NAMES = list(ENCODINGS)

PROJECT = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"
api_key = { env = "A_NAME_THAT_SAYS_NOTHING" }
headers = { X-Team = { env = "ANOTHER_ONE" } }
max_attempts = 1

[pipelines.p]
from = "rows.jsonl"
max_failed_rate = 1.0
steps = [{ op = "generate", teacher = "t" }]
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_NAME_THAT_SAYS_NOTHING", SECRET)
    monkeypatch.setenv("ANOTHER_ONE", HEADER)


def project(folder: Path, url: str, rows: int) -> None:
    (folder / "pipelines.toml").write_text(PROJECT.replace("URL", url))
    lines = [json.dumps({"question": f"{number}"}) for number in range(rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")


def everything_stored(folder: Path) -> str:
    """Every text in the store: catalogs, rejects, runs, ledger."""
    found = []
    with sqlite3.connect(folder / "catalogs" / "ledger.sqlite") as con:
        for table in ("requests", "calls", "failures"):
            found += [str(row) for row in con.execute(f"select * from {table}")]
    with Store.open(folder / "catalogs", read_only=True) as store:
        tables = ["dq_runs", "dq_versions"] + (["p", "p__rejects"] if store.latest("p") else [])
        for table in tables:
            found += [str(row) for row in store.query(f"from {table}").read_all().to_pylist()]
    for file in (folder / "catalogs" / "work").rglob("*"):
        found += [file.read_bytes().decode("latin-1")] if file.is_file() else []
    return "\n".join(found)


def check(text: str) -> None:
    for key in (SECRET, HEADER):
        assert not leaks(text, key)


def test_errors_of_every_encoding(tmp_path: Path, dqdata: Invoke) -> None:
    """Each row's error holds the key in another encoding, at the place where messages are cut."""

    def answer(request: Seen) -> Reply:
        number = int(request.question.split()[0])
        name = NAMES[number % len(NAMES)]
        key = SECRET if number < len(NAMES) else HEADER
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        return refusing(400, "x" * (260 + number % 40) + " " + ENCODINGS[name](key))

    with serving(answer) as server:
        project(tmp_path, server.url, 2 * len(NAMES))
        done = dqdata("-v", "run", "p")
        assert len(server.seen) == 2 * len(NAMES)
    check(done.text)
    stored = everything_stored(tmp_path)
    check(stored)
    assert stored.count("xxxxx ***") > len(NAMES)


def _stream(*parts: str) -> bytes:
    """An answer, or an error, in pieces of an event stream."""
    chunks = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in parts]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"


_SAID = json.dumps({"error": {"message": f"bad key {SECRET}"}})
_SOFT = "\u00ad".join(SECRET)
_EVENTS = {"Content-Type": "text/event-stream"}
WRAPPED = [
    Reply(400, gzip.compress(_SAID.encode()), {"Content-Encoding": "gzip"}),
    Reply(400, zlib.compress(_SAID.encode()), {"Content-Encoding": "deflate"}),
    Reply(400, gzip.compress(_SAID.encode())),
    *(Reply(400, _SAID.encode(code)) for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
    Reply(400, json.dumps({"error": {"message": SECRET[:14], "code": SECRET[14:28], "param": SECRET[28:]}}).encode()),
    Reply(400, json.dumps({"detail": [{"loc": ["header", SECRET]}], SECRET: {SECRET: 1}}).encode()),
    Reply(400, f"<Error><![CDATA[{SECRET}]]><a b='{_SOFT}'/></Error>".encode()),
    Reply(400, b"{}", {"WWW-Authenticate": f'Bearer realm="{SECRET}"', "x-request-id": SECRET, "Retry-After": SECRET}),
    Reply(200, _stream("the key is ", SECRET[:9], SECRET[9:30], SECRET[30:], "!"), _EVENTS),
    Reply(200, b'{"choices": "' + SECRET.encode() + b'"}'),
    completion("4", reasoning_content=f"The key is {SECRET[:20]}-\n{SECRET[20:]}"),
]


def test_a_key_in_other_wrappings(tmp_path: Path, dqdata: Invoke) -> None:
    """Compressed, in other character sets, in pieces, in headers and in event streams."""
    with serving(lambda request: WRAPPED[int(request.question.split()[0])]) as server:
        project(tmp_path, server.url, len(WRAPPED))
        done = dqdata("-v", "run", "p")
        asked = {request.question.split()[0] for request in server.seen}
    assert len(asked) == len(WRAPPED)
    check(done.text)
    check(everything_stored(tmp_path))


@pytest.mark.parametrize(
    "name",
    ["as it is", "beginning and stars", "URL in small letters", "unicode escapes", "base64 after one byte", "lines"],
)
@pytest.mark.parametrize("status", [401, 403, 500, 302])
def test_errors_that_end_a_run(name: str, status: int, tmp_path: Path, dqdata: Invoke) -> None:
    """A 403 that says neither what is wrong with the key nor with the prompt fails its one row alone."""
    sent = ENCODINGS[name](SECRET)

    def answer(request: Seen) -> Reply:
        location = {"Location": f"https://other.example/?k={sent}"} if status == 302 and "\n" not in sent else {}
        return refusing(status, "y" * 270 + sent)._replace(headers=location)

    with serving(answer) as server:
        project(tmp_path, server.url, 1)
        done = dqdata("run", "p")
    assert done.code == (0 if status == 403 else 1)
    check(done.text)
    check(everything_stored(tmp_path))
    check(dqdata("log", "--json").text)


@pytest.mark.parametrize(
    "body", ["plain {}", "<html><title>{}</title></html>", '["{}"]', '{{"detail": {{"a": "{}"}}}}', '{{"error": "{}']
)
def test_bodies_of_every_shape(body: str, tmp_path: Path, dqdata: Invoke) -> None:
    with serving(lambda request: Reply(400, body.format("z" * 280 + SECRET).encode())) as server:
        project(tmp_path, server.url, 1)
        check(dqdata("run", "p").text)
    check(everything_stored(tmp_path))


def test_answers_that_hold_the_key(tmp_path: Path, dqdata: Invoke) -> None:
    """Text, reasoning, model and finish reason: stored masked, and the row is kept."""
    names = [name for name in NAMES if name not in ("octal escapes", "lines in JSON")]

    def answer(request: Seen) -> Reply:
        sent = ENCODINGS[names[int(request.question.split()[0])]](SECRET)
        reply = json.loads(completion(f"Your key is {sent}, so 4.", reasoning_content=f"I know {sent}").body)
        reply["model"] = f"m-{SECRET}"
        reply["choices"][0]["logprobs"] = {"content": [{"token": SECRET[:9], "logprob": -0.1}]}
        return Reply(200, json.dumps(reply).encode())

    with serving(answer) as server:
        project(tmp_path, server.url, len(names))
        done = dqdata("run", "p")
        assert done.code == 0, done
        asked = len(server.seen)
        again = dqdata("sql", "select response, reasoning from p", "--json")
        assert len(server.seen) == asked
    rows = json.loads(again.out)["rows"]
    assert len(rows) == len(names)
    assert all(row["response"].startswith("Your key i") and "***" in row["reasoning"] for row in rows)
    check(done.text + again.text)
    check(everything_stored(tmp_path))


@pytest.fixture
def elsewhere() -> Iterator[Running]:
    with serving(lambda request: completion("caught")) as server:
        yield server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", ["openai", "openai_batch", "embedding"])
async def test_no_client_follows_a_redirect(kind: str, status: int, elsewhere: Running) -> None:
    def answer(request: Seen) -> Reply:
        return Reply(status, b"", {"Location": f"{elsewhere.url}{request.path}?k={SECRET}"})

    given = {"model": "m", "api_key": SECRET, "headers": {"X-Team": HEADER}}
    request = Request((Message("user", "hello"),))
    with serving(answer) as server, pytest.raises((TeacherError, RunError)) as refused:
        params = {**given, "base_url": server.url}
        teacher: Teacher[Any]
        if kind == "embedding":
            teacher = OpenAIEmbeddings(EmbeddingParams.model_validate(params))
        elif kind == "openai":
            teacher = OpenAI(EndpointParams.model_validate(params))
        else:
            quick = {**params, "gather_seconds": 0.01, "poll_seconds": 0.01}
            teacher = OpenAIBatch(BatchParams.model_validate(quick))
        try:
            await teacher.complete(request)
        finally:
            await teacher.close()
    assert not elsewhere.seen
    check(str(refused.value))


async def test_the_embedding_endpoint_shows_no_part_of_its_key() -> None:
    for name in ("as it is", "beginning", "end in base64", "JSON in JSON", "URL, every character"):
        sent = ENCODINGS[name](SECRET)
        reply = refusing(401, "w" * 480 + sent)
        with serving(lambda request, reply=reply: reply) as server, pytest.raises(TeacherError) as refused:
            teacher = OpenAIEmbeddings(
                EmbeddingParams.model_validate({"model": "m", "api_key": SECRET, "base_url": server.url})
            )
            try:
                await teacher.complete(Request((Message("user", "hello"),)))
            finally:
                await teacher.close()
        check(str(refused.value))


def test_wrong_parameters_show_no_secret(tmp_path: Path, dqdata: Invoke) -> None:
    project(tmp_path, "http://127.0.0.1:9/v1", 1)
    text = (tmp_path / "pipelines.toml").read_text()
    for wrong in (
        f'api_key = ["{SECRET}"]',
        f'api_key = {{ key = "{SECRET}" }}',
        f'headers = "{SECRET}"',
        f'headers = {{ Authorization = ["{SECRET}"] }}',
        f'base_url = "http://user:{SECRET.replace("/", "")}@127.0.0.1:9/v1"',
        f'password = "{SECRET}"',
    ):
        name = wrong.split(" ")[0]
        kept = "\n".join(line for line in text.splitlines() if not line.startswith(f"{name} ="))
        (tmp_path / "pipelines.toml").write_text(kept.replace('model = "m"', f'model = "m"\n{wrong}'))
        done = dqdata("check")
        assert done.code == 1, wrong
        assert not leaks(done.text.replace("/", ""), SECRET.replace("/", "")), done


FROM = '[pipelines.p]\nmax_failed_rate = 1.0\nfrom = { source = "problems", rows = 2 }\n'
TELLING = {
    "row": FROM + 'steps = [{ op = "telling_row" }]\n',
    "call": FROM + 'steps = [{ op = "telling_call" }]\n',
    "teacher": FROM + 'steps = [{ op = "generate", teacher = "t" }]\n[teachers.t]\nprovider = "telling"\n',
    "exit": FROM + 'steps = [{ op = "generate", teacher = "t" }]\n[teachers.t]\nprovider = "telling"\nleaves = true\n',
    "source": '[pipelines.p]\nfrom = { source = "telling", at = "batch" }\nsteps = []\n',
    "plan": '[pipelines.p]\nfrom = { source = "telling", at = "schema" }\nsteps = []\n',
}


@pytest.mark.parametrize("kind", TELLING)
def test_what_plug_ins_raise_is_shown_and_stored_masked(
    kind: str, tmp_path: Path, thirdparty: Path, monkeypatch: pytest.MonkeyPatch, dqdata: Invoke
) -> None:
    """Their keys are known by the names of environment variables. Without -v nothing shows a traceback."""
    monkeypatch.setenv("BANK_PASSWORD", SECRET)
    (tmp_path / "pipelines.toml").write_text(TELLING[kind])
    said = [dqdata("check"), dqdata("plan", "p"), dqdata("run", "p")]
    assert "***" in said[-1].text or kind in ("row", "call")
    assert not [one for one in said if "Traceback" in one.text]
    check("\n".join(one.text for one in (*said, dqdata("-v", "run", "p"))))
    if (tmp_path / "catalogs" / "ledger.sqlite").exists():
        check(everything_stored(tmp_path))
