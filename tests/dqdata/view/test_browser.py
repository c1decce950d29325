"""The pages in headless Chromium: no console error, no violation of the policy, keys, copying, marks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.needs("starlette"),
    pytest.mark.needs("jinja2"),
    pytest.mark.needs("uvicorn"),
    pytest.mark.needs("playwright"),
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def served(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A viewer of a copy of the store, in a thread of this process."""
    import uvicorn

    from dqdata.view.app import make_app
    from dqdata.view.opened import OpenStore
    from dqdata.view.security import Keys
    from dqdata.view.server import listen

    path = tmp_path_factory.mktemp("browser") / "catalogs"
    shutil.copytree(store_path, path)
    opened, listening, keys = OpenStore(path), listen(0), Keys()
    port = listening.getsockname()[1]
    app = make_app(opened, keys, port, who="ann")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{port}", token=keys.token, path=path)
    server.should_exit = True
    thread.join()
    listening.close()
    opened.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The pages are the project's own, and root can't use Chromium's sandbox.
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def page(served: Any, browser: Any) -> Iterator[Any]:
    """A page whose complaints are kept in `complaints`: errors of the console, of scripts, refused requests."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(120_000)
    made = context.new_page()
    complaints: list[str] = []

    def complain(text: str) -> None:
        if "ERR_ABORTED" not in text and "htmx:sendAbort" not in text:  # a page that was left while it asked
            complaints.append(text)

    made.on("console", lambda said: complain(said.text) if said.type in ("error", "warning") else None)
    made.on("pageerror", lambda error: complain(str(error)))
    made.on("requestfailed", lambda request: complain(f"{request.url} {request.failure}"))
    asked: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.goto(f"{served.url}/?token={served.token}")
    yield SimpleNamespace(page=made, url=served.url, complaints=complaints, asked=asked)
    context.close()


def opened(page: Any, path: str) -> Any:
    page.page.goto("about:blank")
    page.complaints.clear()
    page.page.goto(page.url + path, wait_until="networkidle" if "runs" not in path and path != "/" else "load")
    return page.page


PATHS = [
    "/",
    "/log",
    "/c/traces@2/rows",
    "/c/traces@2/rejects",
    "/c/traces@2/charts",
    "/c/traces@2/recipe",
    "/diff?before=traces@1&after=traces@2",
    "/compare?a=traces@2:1&b=traces@2:4",
    "/sql",
    "/runs",
    "/models",
    "/costs",
    "/marks",
    *(f"/c/traces@1/row/{number}" for number in range(0, 30, 3)),
]
NAMELESS = """
[...document.querySelectorAll(
  'a, button, input:not([type=hidden]), select, textarea, svg[role=img], [role=region]'
)].filter(
  (one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length || one.title
    || one.getAttribute('aria-labelledby'))
).map((one) => one.outerHTML.slice(0, 120))
"""
FITS = "document.documentElement.scrollWidth <= innerWidth"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
LOCAL = "[...document.querySelectorAll('main a:not(svg a)')].every(a => a.origin === location.origin)"


@pytest.fixture(scope="module")
def visits(page: Any) -> dict[str, SimpleNamespace]:
    """What each page is like in a wide, light window; each is opened once for all tests that look at all of them."""
    found = {}
    for path in PATHS:
        shown = opened(page, path)
        found[path] = SimpleNamespace(
            complaints=list(page.complaints),
            hacked=shown.evaluate("window.hacked"),
            local=shown.evaluate(LOCAL),
            nameless=shown.evaluate(NAMELESS),
            mains=shown.locator("main").count(),
            headings=shown.locator("h1").count(),
            title=shown.title(),
            fits=shown.evaluate(FITS),
            background=shown.evaluate(BACKGROUND),
        )
    return found


def test_no_page_complains_or_asks_anyone_else(page: Any, visits: dict[str, SimpleNamespace]) -> None:
    for path, seen in visits.items():
        assert seen.complaints == [], (path, seen.complaints)
        assert seen.hacked is None and seen.local, path
    assert page.asked and all(url.startswith(page.url) for url in page.asked)


def test_formulas_and_code_are_set(page: Any) -> None:
    shown = opened(page, "/c/traces@1/row/1")
    assert shown.locator(".katex-mathml math").count() > 0 and shown.locator(".hljs").count() == 1
    assert shown.locator("details.thinking").get_attribute("open") is None
    assert shown.evaluate("document.cookie") == ""


def test_keys(page: Any) -> None:
    shown = opened(page, "/c/traces@2/rows")

    shown.click("h1")
    for key, wanted in (("j", "t020"), ("j", "t021"), ("j", "t022"), ("k", "t021")):
        shown.keyboard.press(key)
        shown.wait_for_function("wanted => document.activeElement.textContent.trim() === wanted", arg=wanted)
    shown.keyboard.press("?")
    assert shown.locator("#help").is_visible()
    shown.keyboard.press("Escape")
    assert not shown.locator("#help").is_visible()
    shown.keyboard.press("/")
    assert shown.evaluate("document.activeElement.id") == "new-value"
    shown.keyboard.type("jk?m")
    assert shown.locator("#new-value").input_value() == "jk?m"
    shown.keyboard.press("Escape")
    shown.keyboard.press("n")
    shown.wait_for_url("**after=49*")
    shown.keyboard.press("p")
    shown.wait_for_url("**before=50*")
    shown.keyboard.press("j")
    shown.keyboard.press("m")
    shown.wait_for_url("**/row/0#mark")
    shown.wait_for_function("document.activeElement.name === 'mark'")
    shown.wait_for_selector("a[data-next-row]")
    shown.keyboard.press("j")
    shown.wait_for_url("**/row/1")
    shown.wait_for_selector("a[data-previous-row]")
    shown.keyboard.press("k")
    shown.wait_for_url("**/row/0")
    assert page.complaints == []


def test_a_mark_is_saved_and_committed(page: Any, served: Any) -> None:
    from dqdata.view.row_marks import MarkLog

    shown = opened(page, "/c/traces@2/row/3")
    shown.check("input[value=bad]")
    shown.fill("input[name=tags]", "units")
    shown.click("#mark button")
    shown.wait_for_selector("text=Saved on disk")
    assert [(one.id, one.mark, one.who) for one in MarkLog(served.path).pending()] == [("t023", "bad", "ann")]
    shown = opened(page, "/marks")
    shown.click("#marks button")
    shown.wait_for_selector("text=Committed")
    assert MarkLog(served.path).pending() == [] and page.complaints == []


def test_the_sql_box_runs_by_keyboard(page: Any) -> None:
    shown = opened(page, "/sql")
    shown.keyboard.press("/")
    shown.keyboard.type("select count(*) as n from traces@2")
    shown.keyboard.press("Control+Enter")
    shown.wait_for_selector("#answer td")
    assert shown.locator("#answer td").inner_text() == "110" and page.complaints == []


FITTING = (
    "/c/traces@2/rows",
    "/c/traces@1/row/3",
    "/c/traces@2/charts",
    "/diff?before=traces@1&after=traces@2",
    "/compare?a=traces@2:1&b=traces@2:4",
)
LONG_IDS = "document.querySelectorAll('main h1, main h2, main h2 a').forEach(one => one.textContent = 'f'.repeat(64))"


def test_dark_and_narrow_pages_fit_and_can_be_read(page: Any, visits: dict[str, SimpleNamespace]) -> None:
    for path, seen in visits.items():
        assert seen.fits, path
        assert max(_levels(seen.background)) > 200, path
    shown = page.page
    shown.emulate_media(color_scheme="dark")
    shown.set_viewport_size({"width": 390, "height": 800})
    for path in FITTING:
        opened(page, path)
        shown.evaluate(LONG_IDS)  # those of this store are short
        assert shown.evaluate(FITS), path
        assert max(_levels(shown.evaluate(BACKGROUND))) < 90, path
    shown.click("#theme")
    assert min(_levels(shown.evaluate(BACKGROUND))) > 200
    shown.click("#theme")
    shown.set_viewport_size({"width": 1280, "height": 800})
    shown.emulate_media(color_scheme="light")


def _levels(colour: str) -> list[int]:
    """Red, green and blue of `rgb(R, G, B)`."""
    return [int(part) for part in colour[4:-1].split(",")]


def test_everything_has_a_name_for_screen_readers(visits: dict[str, SimpleNamespace]) -> None:
    for path, seen in visits.items():
        assert seen.nameless == [], path
        assert seen.mains == seen.headings == 1 and seen.title, path
