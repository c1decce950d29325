"""SQL that came with a project, or from a user, reaches catalogs alone: no file, no network, no setting."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dqdata.catalog import Store
from dqdata.columns import Columns
from dqdata.database import connect, lock, open_database
from dqdata.errors import InputError, QueryError
from dqdata.expressions import check_query
from tests.dqdata.security.conftest import Invoke

SECRET = "the-content-of-another-file"


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """An HTTP server on a loopback port that notes each request."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a,b\n1,2\n")

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", seen
    running.shutdown()
    running.server_close()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with files that no project names: text, CSV, Parquet and SQLite."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text(SECRET)
    (folder / "secret.csv").write_text(f"a\n{SECRET}\n")
    with sqlite3.connect(folder / "secret.sqlite") as con:
        con.execute("create table t (a text)")
        con.execute("insert into t values (?)", [SECRET])
    return folder


def queries(outside: Path, url: str) -> list[str]:
    """Ways to leave the database, each a SELECT."""
    return [
        f"select content as question from read_text('{outside}/secret.txt')",
        f"select * from read_csv('{outside}/secret.csv')",
        f"select * from '{outside}/secret.csv'",
        f"select * from read_blob('{outside}/*')",
        f"select * from glob('{outside}/*')",
        f"select * from sniff_csv('{outside}/secret.csv')",
        f"select * from sqlite_scan('{outside}/secret.sqlite', 't')",
        f"select * from query($$ from read_text('{outside}/secret.txt') $$)",
        f"select * from query_table('{outside}/secret.csv')",
        f"from json_execute_serialized_sql(json_serialize_sql($$ from read_text('{outside}/secret.txt') $$))",
        f"with a as (from read_text('{outside}/secret.txt')) from a",
        f"select (select content from read_text('{outside}/secret.txt')) as question",
        f"select 1 as question where exists (from read_csv('{url}/x.csv'))",
        f"select * from read_csv('{url}/x.csv')",
        f"select * from '{url}/x.parquet'",
        f"select * from read_json('{url}/x.json')",
        f"select * from '{outside}/../outside/secret.csv'",
        f"describe from read_csv('{outside}/secret.csv')",
        f"summarize '{outside}/secret.csv'",
    ]


NUMBER = 19


def test_a_foreign_toml_reads_nothing(
    tmp_path: Path, outside: Path, server: tuple[str, list[str]], dqdata: Invoke
) -> None:
    """`check` names every pipeline; `plan` and `run` refuse each kind as well."""
    url, requests = server
    project = tmp_path / "project" / "pipelines.toml"
    project.parent.mkdir()
    tables = []
    for number, query in enumerate(queries(outside, url)):
        tables += [
            f"[pipelines.from_{number}]\nfrom = '''{query}'''\nsteps = []\n",
            f"[pipelines.step_{number}]\nfrom = {{ source = 'problems', rows = 3 }}",
            f"steps = [{{ op = 'sql', query = '''{query}''' }}]\n",
        ]
    project.write_text("\n".join(tables))
    checked = dqdata("check", "-p", str(project), cwd=project.parent)
    assert checked.code == 1
    for number in range(NUMBER):
        assert f"[pipelines.from_{number}]" in checked.error
        assert f"[pipelines.step_{number}]" in checked.error
    said = checked.text
    for number in (0, 6, 13):
        for verb in ("plan", "run"):
            for name in (f"from_{number}", f"step_{number}"):
                done = dqdata(verb, name, "-p", str(project), cwd=project.parent)
                assert done.code == 2, (verb, name, done)
                said += done.text
    assert SECRET not in said
    assert not requests


def test_the_list_of_queries_is_whole() -> None:
    assert len(queries(Path("x"), "y")) == NUMBER


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "catalogs"
    with Store.open(path):
        pass
    return path


@pytest.mark.parametrize("number", range(NUMBER))
def test_dqdata_sql_reads_catalogs_alone(
    number: int, store: Path, outside: Path, server: tuple[str, list[str]]
) -> None:
    url, requests = server
    with Store.open(store, read_only=True) as opened, pytest.raises(InputError) as refused:
        opened.query(queries(outside, url)[number]).read_all()
    assert SECRET not in str(refused.value)
    assert not requests


def test_files_on_request_and_never_the_network(
    store: Path, outside: Path, server: tuple[str, list[str]], dqdata: Invoke
) -> None:
    url, requests = server
    found = dqdata("sql", f"from '{outside}/secret.csv'", "--files", "--json", "--store", str(store), cwd=outside)
    assert json.loads(found.out)["rows"] == [{"a": SECRET}]
    relative = dqdata("sql", "from read_csv('secret.csv')", "--files", "--json", "--store", str(store), cwd=outside)
    assert json.loads(relative.out)["rows"] == [{"a": SECRET}]
    lite = f"from sqlite_scan('{outside}/secret.sqlite', 't')"
    assert json.loads(dqdata("sql", lite, "--files", "--json", "--store", str(store), cwd=outside).out)["rows"]
    refused = dqdata("sql", f"from '{outside}/secret.csv'", "--store", str(store), cwd=outside)
    assert refused.code == 2 and "--files" in refused.error
    scan = "from postgres_scan('host=127.0.0.1', 'a', 'b')"
    for query in (f"from read_csv('{url}/x.csv')", f"from '{url}/x.parquet'", scan):
        assert dqdata("sql", query, "--files", "--store", str(store), cwd=outside).code == 2
    assert not requests


@pytest.mark.parametrize(
    "statement",
    [
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "reset lock_configuration",
        "set autoload_known_extensions = true",
        "set allow_unsigned_extensions = true",
        "install httpfs",
        "load httpfs",
        "attach 'other.duckdb'",
        "copy (select 1) to 'out.csv'",
        "export database 'out'",
    ],
)
def test_nothing_can_be_unlocked(statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    monkeypatch.chdir(tmp_path)
    with connect() as con, pytest.raises(duckdb.Error):
        con.execute(statement)
    assert not list(tmp_path.iterdir())


def test_a_table_name_is_no_variable_of_the_caller() -> None:
    import duckdb
    import polars as pl

    secret_frame = pl.DataFrame({"a": [SECRET]})
    with connect() as con, pytest.raises(duckdb.CatalogException):
        con.execute("from secret_frame")
    assert secret_frame.height == 1


def test_a_variable_is_no_table_before_the_lock_either() -> None:
    """The engine asks its own questions of a database that is not locked yet, with names from catalogs in them."""
    import duckdb
    import polars as pl

    secret_frame = pl.DataFrame({"a": [SECRET]})
    with open_database([], spill=None) as con, pytest.raises(duckdb.CatalogException):
        con.execute("from secret_frame")
    assert secret_frame.height == 1


def test_after_its_own_extensions_no_unsigned_one_is_loaded() -> None:
    import duckdb

    with open_database(["sqlite_scanner"], spill=None) as con:
        lock(con)
        assert con.execute("select current_setting('allow_unsigned_extensions')").fetchone() == (False,)
        with pytest.raises(duckdb.Error):
            con.execute("set allow_unsigned_extensions = true")


SETTINGS = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "enable_external_access": False,
    "lock_configuration": True,
    "temp_directory": "",
}


@pytest.mark.parametrize("extensions", [[], ["sqlite_scanner"]], ids=["plain", "with an extension"])
def test_every_setting_is_as_promised(extensions: list[str]) -> None:
    with open_database(extensions, spill=None) as con:
        lock(con)
        for name, value in SETTINGS.items():
            assert con.execute(f"select current_setting('{name}')").fetchone() == (value,), name


@pytest.mark.parametrize("sibling", ["allowed2/x.csv", "allowed.csv", "allowed/../other/x.csv", "other/link.csv"])
def test_a_folder_that_is_allowed_opens_no_other(tmp_path: Path, sibling: str) -> None:
    import duckdb

    for name in ("allowed", "allowed2", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "allowed" / "x.csv").write_text("a\n1\n")
    for name in ("allowed2/x.csv", "allowed.csv", "other/x.csv"):
        (tmp_path / name).write_text(f"a\n{SECRET}\n")
    (tmp_path / "other" / "link.csv").symlink_to(tmp_path / "other" / "x.csv")
    with connect(folders=[tmp_path / "allowed"]) as con:
        assert con.execute(f"select a from '{tmp_path}/allowed/x.csv'").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error):
            con.execute(f"from '{tmp_path}/{sibling}'").fetchall()


NOTEBOOK = """
import sys, types
shell = types.ModuleType("IPython")
shell.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules.update(IPython=shell, ipywidgets=None)
"""


@pytest.mark.parametrize("before", ["", NOTEBOOK], ids=["prompt", "notebook"])
def test_no_progress_is_printed_among_the_rows(before: str) -> None:
    """DuckDB takes `python -c` for a person at a prompt, who wants to see it; without ipywidgets a notebook refuses
    every value of the setting."""
    code = (
        f"{before}from dqdata.database import connect\n"
        "print(connect().execute(\"select current_setting('enable_progress_bar')\").fetchone()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "False\n"


def test_several_statements_are_refused(tmp_path: Path) -> None:
    have = Columns({"problem_id": "VARCHAR"})
    for query in ("select * from rows; select 1", "copy rows to 'x.csv'", "attach 'x' as y"):
        with pytest.raises(QueryError):
            check_query(query, have)
