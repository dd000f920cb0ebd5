"""One table says what web, workers, bridge and commands do with an error, and they do it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp.test_utils import make_mocked_request

import orderbus
from orderbus import errors, services
from orderbus.commands import terminal
from orderbus.domain import retries
from orderbus.errors import OrderbusError, ShortLine
from orderbus.handling import AtWork, OnReturn, handling
from orderbus.pubsub.subscription import Received
from orderbus.web import problems
from orderbus.worker.retries import judge

PACKAGE = Path(orderbus.__file__).parent
#: What their constructors ask for beside a message.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "IllegalMove": {"source": "placed", "target": "paid"},
    "OtherContent": {"order_id": UUID(int=1)},
    "OutOfStock": {"short": [ShortLine("A-1", 3, 2)]},
    "Poisoned": {"reason": "undecodable"},
}


def kinds(top: type[OrderbusError] = OrderbusError) -> Iterator[type[OrderbusError]]:
    """Walk the tree from the top."""
    yield top
    for kind in top.__subclasses__():
        yield from kinds(kind)


every_error = pytest.mark.parametrize(
    "error",
    [kind("no", **ARGUMENTS.get(kind.__name__, {})) for kind in kinds()],
    ids=lambda error: type(error).__name__,
)


def test_the_tree_is_in_one_file_and_drawn_there() -> None:
    drawn = errors.__doc__ or ""

    assert {kind.__module__ for kind in kinds()} == {"orderbus.errors"}
    assert [kind.__name__ for kind in kinds() if kind.__name__ not in drawn.split()] == []


def test_no_error_outside_the_tree_leaves_its_room() -> None:
    declared: dict[str, str] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and room != "errors.py":
                bases = {ast.unparse(base) for base in node.bases}
                if any(base.endswith(("Error", "Exception")) for base in bases):
                    declared[node.name] = room

    strays = {
        (str(path.relative_to(PACKAGE)), name)
        for path in PACKAGE.rglob("*.py")
        for name, room in declared.items()
        if path.relative_to(PACKAGE).parts[0] != room and name in path.read_text()
    }

    assert declared  # or this test looks at nothing
    assert strays == set()


@every_error
def test_web_answers_with_the_status_of_the_table(error: OrderbusError) -> None:
    answer = problems.response_to(error, make_mocked_request("GET", "/orders/1"))

    assert answer.status == handling(error).status
    assert ("Retry-After" in answer.headers) == (error.retry_after is not None)


@every_error
def test_a_worker_tries_again_or_writes_a_dead_letter_as_the_table_says(
    error: OrderbusError,
) -> None:
    first = judge(error, waits=0, retries=0, max_retries=3)
    last = judge(error, waits=99, retries=3, max_retries=3)

    match handling(error).worker:
        case AtWork.RETRY:
            assert isinstance(first, retries.NotCharged)
            assert isinstance(last, retries.NotCharged)
        case AtWork.COUNT:
            assert isinstance(first, retries.Retry)
            assert last == retries.DeadLetter("retries_exhausted")
        case AtWork.DEAD_LETTER:
            assert first == last == retries.DeadLetter(error.reason)


class Buried(BaseException):
    """The bridge began to write a dead letter."""


class FailingDatabase:
    """Raises an error as the batch is recorded, and ``Buried`` as a dead letter is written."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def transaction(self) -> Any:
        raise self._error

    def connection(self) -> Any:
        raise Buried


def ignore() -> None:
    """Stand for an ack or a nack."""


@every_error
async def test_the_bridge_keeps_or_puts_off_what_came_or_writes_a_dead_letter_as_the_table_says(
    error: OrderbusError,
) -> None:
    message = Received(b"", {}, "m-1", datetime.now(UTC), ignore, ignore, ignore)
    database: Any = FailingDatabase(error)
    received = services.inbox.receive(database, [message], wanted={})

    match handling(error).bridge:
        case OnReturn.RETRY | OnReturn.EXIT:
            with pytest.raises(type(error)):
                await received
        case OnReturn.PUT_OFF:
            assert (await received).later == [message]
        case OnReturn.DEAD_LETTER:
            with pytest.raises(Buried):
                await received


@every_error
def test_a_command_exits_with_the_code_of_the_table(
    error: OrderbusError, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        terminal.with_exit_code(fail)

    assert ended.value.code == handling(error).exit_code
    assert "no" in capsys.readouterr().err


@every_error
def test_what_may_work_later_is_never_answered_as_if_it_were_wrong(error: OrderbusError) -> None:
    how = handling(error)

    if how.worker is AtWork.RETRY:
        assert how.status == 503
        assert how.bridge is not OnReturn.DEAD_LETTER
        assert how.exit_code != 1


def test_a_bug_is_a_500_is_counted_and_stops_no_other_message() -> None:
    how = handling(ZeroDivisionError())

    assert (how.status, how.worker, how.bridge) == (500, AtWork.COUNT, OnReturn.DEAD_LETTER)
