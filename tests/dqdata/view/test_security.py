"""Who gets a page of the viewer, and that no text of a model becomes markup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from inert import check_inert

from dqdata.view.security import BODY_BYTES

pytestmark = [pytest.mark.needs("starlette"), pytest.mark.needs("jinja2")]
PORT = 8764
HOST = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def served(store_path: Path) -> Iterator[tuple[object, object]]:
    from dqdata.view.app import make_app
    from dqdata.view.opened import OpenStore
    from dqdata.view.security import Keys

    store, keys = OpenStore(store_path), Keys()
    yield make_app(store, keys, PORT, who="ann"), keys
    store.close()


def client(served, base=HOST, **options):
    from starlette.testclient import TestClient

    return TestClient(served[0], base_url=base, **options)


def entered(served):
    made = client(served)
    assert made.get("/", params={"token": served[1].token}).status_code == 200
    return made


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", f"127.0.0.1.nip.io:{PORT}", ""],
)
@pytest.mark.parametrize("path", ["/", "/static/view.css", "/c/traces@1/rows"])
def test_another_host_gets_nothing_even_with_the_token(served, host: str, path: str) -> None:
    answer = client(served).get(path, params={"token": served[1].token}, headers={"host": host})
    assert answer.status_code == 421 and not answer.cookies and "traces" not in answer.text


def test_localhost_is_a_name_of_this_machine_too(served) -> None:
    made = client(served, f"http://localhost:{PORT}")
    assert made.get("/", params={"token": served[1].token}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/log", "/static/view.css", "/c/traces@1/rows", "/nowhere"])
@pytest.mark.parametrize("cookie", [None, "", "x", "ä", "a; b", "=" * 300])
def test_without_the_cookie_there_is_no_page(served, path: str, cookie: str | None) -> None:
    headers = {} if cookie is None else {"cookie": f"dqdata_view_{PORT}={cookie}".encode()}
    answer = client(served).get(path, headers=headers)
    assert answer.status_code == 401 and "traces" not in answer.text


def test_the_token_becomes_a_cookie_and_leaves_the_address(served) -> None:
    made = client(served, follow_redirects=False)
    answer = made.get("/log", params={"catalog": "traces", "token": served[1].token})
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303 and answer.headers["location"] == "/log?catalog=traces"
    assert "httponly" in cookie and "samesite=strict" in cookie and served[1].token.lower() not in cookie
    assert made.get("/log").status_code == 200


@pytest.mark.parametrize("token", ["", "x", "ä", "a" * 43])
def test_a_wrong_token_opens_nothing(served, token: str) -> None:
    answer = client(served, follow_redirects=False).get("/", params={"token": token})
    assert answer.status_code == 401 and "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "///evil.example"])
def test_the_redirect_leads_nowhere_else(served, path: str) -> None:
    from dqdata.view.security import Guard

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    answer = Guard(served[0], served[1], PORT)._entered(scope, served[1].token, [])
    location = answer.headers["location"]
    assert answer.status_code == 303 and location[0] == "/" and location[1:2] not in ("/", "\\")


def test_every_answer_has_the_policy(served) -> None:
    made = entered(served)
    for path in ("/", "/static/view.js", "/nowhere", "/c/nothing@1/rows", "/c/traces@1/rows?sort=nothing"):
        headers = made.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x-csrf-token": "x"}, 403),
        ({"x-csrf-token": "RIGHT", "origin": "http://evil.example"}, 403),
        ({"x-csrf-token": "RIGHT", "origin": "null"}, 403),
        ({"x-csrf-token": "RIGHT", "sec-fetch-site": "cross-site"}, 403),
        ({"x-csrf-token": "RIGHT", "origin": HOST, "sec-fetch-site": "same-origin"}, 405),
    ],
)
def test_a_change_needs_the_token_of_the_page_and_its_origin(served, headers, status: int) -> None:
    given = {name: served[1].csrf if value == "RIGHT" else value for name, value in headers.items()}
    assert entered(served).post("/log", headers=given).status_code == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(served, method: str) -> None:
    assert entered(served).request(method, "/").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/vendor/NOTICE/../../view.css/",
        "/static/__init__.py",
        "/static/",
        "/static/view.css%00.js",
    ],
)
def test_paths_are_not_served(served, path: str) -> None:
    assert entered(served).get(path).status_code == 404


def test_every_static_file_is_in_the_package_and_small(served) -> None:
    from dqdata.view.static_files import NAMES, content

    made = entered(served)
    for name in NAMES:
        assert made.get(f"/static/{name}").content == content(name)
    assert sum(len(content(name)) for name in NAMES) < 1_000_000


def test_a_link_in_place_of_a_static_name_is_never_followed(served) -> None:
    from dqdata.view.static_files import NAMES

    assert not any(".." in name or name.startswith("/") for name in NAMES)


def test_a_large_body_is_refused(served) -> None:
    made = entered(served)
    answer = made.post("/sql", data={"query": "x" * BODY_BYTES}, headers={"x-csrf-token": served[1].csrf})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/log",
        "/diff?before=traces@1&after=traces@2",
        "/c/traces@1/recipe",
        "/c/problems@1/recipe",
        "/c/traces@1/rows?all=1",
        "/c/traces__rejects@1/rows?all=1",
        "/c/traces@1/rows?where=question+%3D+%27%3Cscript%3E%27",
        "/c/traces@1/rows?column=reasoning&op=has&value=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/c/%3Cscript%3Ealert(1)%3C%2Fscript%3E/rows",
        "/log?catalog=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ],
)
def test_texts_of_models_stay_text(served, path: str) -> None:
    answer = entered(served).get(path)
    assert answer.status_code in (200, 400, 404)
    check_inert(answer.text)
