"""Many answers and look-ups in few statements."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from dqdata.errors import StoreError, TeacherError
from dqdata.ledger import CallContext, Ledger
from dqdata.ledger.answers import Answer, padded, store, store_failure
from dqdata.ledger.lookups import Lookups
from dqdata.ledger.rows import answer_of, failure_of
from dqdata.ledger.tables import connect
from dqdata.teacher import Completion, Message, Request, Sampling, Usage

pytestmark = pytest.mark.usefixtures("kept_workers")

WHO = ("openai", "m", "")


def request(number: int) -> Request:
    return Request((Message("user", f"problem {number // 2}"),), Sampling(max_tokens=9), sample=number % 2)


def answers(count: int, said: str = "first") -> Iterator[Answer]:
    context = CallContext("run", "pipe", "step", "r1")
    for number in range(count):
        made = Completion(f"{said} {number}", "stop", Usage(1, 2))
        yield answer_of(request(number).key(*WHO), request(number), made, WHO, 0.25, context)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 17, 33, 256, 257, 600])
def test_a_group_of_any_size_is_stored_and_found_once(tmp_path: Path, count: int) -> None:
    con = connect(tmp_path / "ledger.sqlite")
    given = list(answers(count))
    assert store(con, given) == [None] * count
    assert con.execute("select count(*), sum(cost_usd) from calls").fetchone() == (count, count / 4)
    assert con.execute("select count(*) from requests").fetchone() == ((count + 1) // 2,)
    again = store(con, list(answers(count, "second")))
    assert [row[0] for row in again if row] == [f"first {number}" for number in range(count)]
    assert con.execute("select count(*), sum(cost_usd) from failures").fetchone() == (count, count / 4)
    con.close()


def test_two_answers_of_one_key_in_a_group_are_one_call_and_one_failure(tmp_path: Path) -> None:
    con = connect(tmp_path / "ledger.sqlite")
    [one], [two] = list(answers(1)), list(answers(1, "second"))
    stood = store(con, [one, two, two])
    assert [row and row[0] for row in stood] == [None, "first 0", "first 0"]
    assert con.execute("select count(*) from calls").fetchone() == (1,)
    assert con.execute("select count(*) from failures").fetchone() == (2,)
    con.close()


def test_a_failed_attempt_that_is_stored_again_is_there_once(tmp_path: Path) -> None:
    """As after a transaction whose reply was lost."""
    con = connect(tmp_path / "ledger.sqlite")
    context, error = CallContext("run", "pipe", "step", "r1"), TeacherError("cut", kind="retryable", reason="cut")
    failure = failure_of("key", request(0), error, WHO, (1, 70, 0.25), context)
    for _ in range(3):
        store_failure(con, failure)
    assert con.execute("select count(*), sum(cost_usd) from failures").fetchone() == (1, 0.25)
    con.close()


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8), (9, 16), (200, 256)])
def test_a_statement_has_a_power_of_two_rows(count: int, size: int) -> None:
    items = list(range(count))
    assert len(padded(items)) == size
    assert list(padded(items))[:count] == items and set(padded(items)) == set(items)


class Reader:
    def __init__(self, known: Mapping[str, str], error: Exception | None = None) -> None:
        self.known, self.error = known, error
        self.asked: list[Sequence[str]] = []

    def __call__(self, keys: Sequence[str]) -> dict[str, tuple[str]]:
        self.asked.append(keys)
        if self.error is not None:
            raise self.error
        return {key: (self.known[key],) for key in keys if key in self.known}


async def test_what_is_asked_at_one_moment_is_read_at_once() -> None:
    reader = Reader({f"k{number}": f"v{number}" for number in range(0, 40, 2)})
    lookups = Lookups(reader)
    rows = await asyncio.gather(*(lookups.row(f"k{number}") for number in range(40)))
    assert rows == [None if number % 2 else (f"v{number}",) for number in range(40)]
    assert [len(keys) for keys in reader.asked] == [40]
    assert await lookups.row("k2") == ("v2",)


async def test_an_error_of_reading_reaches_everyone_and_the_next_reads_again() -> None:
    reader = Reader({"a": "1"}, StoreError("ledger x: damaged"))
    lookups = Lookups(reader)
    ended = await asyncio.gather(*(lookups.row(key) for key in "abc"), return_exceptions=True)
    assert [str(one) for one in ended] == ["ledger x: damaged"] * 3
    reader.error = None
    assert await lookups.row("a") == ("1",)


async def test_a_cancelled_look_up_takes_nothing_from_the_others() -> None:
    lookups = Lookups(Reader({"a": "1", "b": "2"}))
    first, second = (asyncio.create_task(lookups.row(key)) for key in "ab")
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ("2",)
    with pytest.raises(asyncio.CancelledError):
        await first


def test_a_look_up_that_an_ended_loop_left_behind_blocks_no_later_one() -> None:
    lookups = Lookups(Reader({"a": "1"}))
    ended = asyncio.new_event_loop()
    left = ended.create_task(lookups.row("a"))
    ended.call_soon(ended.stop)
    ended.run_forever()  # the task began; the loop ends before it reads
    assert not left.done()
    assert asyncio.run(lookups.row("a")) == ("1",)
    left.cancel()
    ended.run_until_complete(asyncio.gather(left, return_exceptions=True))
    ended.close()


@pytest.mark.parametrize("count", [1, 5, 300])
async def test_the_ledger_finds_what_it_stored(tmp_path: Path, count: int) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        given = list(answers(count))
        await asyncio.gather(*(ledger.write(answer) for answer in given))
        keys = [answer.call[0] for answer in given]
        rows = await asyncio.gather(*(ledger.find(key) for key in [*keys, "none"]))
        assert [row and row[0] for row in rows] == [*(f"first {number}" for number in range(count)), None]
