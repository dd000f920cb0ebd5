"""What is tried again, and when, stands in domain/retries.py; waiting for it, in waiting.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import orderbus
from orderbus.domain import retries
from orderbus.domain.retries import Pauses
from orderbus.egress.session import connect_again

PACKAGE = Path(orderbus.__file__).parent
MIGRATIONS = PACKAGE.parent / "migrations"
#: An interval in SQL that says after how long something is tried again; a day is a partition's.
INTERVAL = re.compile(r"interval\s*'(?!1 day')[^']*'", re.IGNORECASE)
#: Loops that sleep after an error and are not written by ``waiting``, with the reason.
BY_HAND = {
    "devtools/folders.py": "`make clean` runs it with a Python that has no tenacity",
    "actors/dispatcher.py": "repeats its tasks for ever, whether they fail or not",
    "services/health.py": "asks for ever, whether it is answered or not",
}
SLEEPS = {"sleep", "wait_for", "timeout"}
#: What libraries that try again call their numbers of attempts and their pauses.
OF_LIBRARIES = {"attempts", "start_timeout", "max_timeout", "timeouts", "factor"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Parse every module of the package but the two that schedules and waiting are in."""
    for path in PACKAGE.rglob("*.py"):
        name = str(path.relative_to(PACKAGE))
        if name not in {"domain/retries.py", "waiting.py"}:
            yield name, ast.parse(path.read_text())


def is_backoff(node: ast.AST) -> bool:
    """Whether a node doubles something as often as it failed, or lists growing pauses."""
    if isinstance(node, ast.BinOp):
        doubles = isinstance(node.op, ast.Pow) and ast.unparse(node.left) in {"2", "2.0"}
        shifts = isinstance(node.op, ast.LShift)
        return (doubles or shifts) and not isinstance(node.right, ast.Constant)
    if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Tuple):
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        return re.search(r"PAUSES|BACKOFF|DELAYS|SCHEDULE", ast.unparse(target).upper()) is not None
    return False


def tells_a_library(node: ast.AST) -> bool:
    """Whether a call names a number of attempts, or a pause between them, as a figure."""
    return isinstance(node, ast.Call) and any(
        each.arg in OF_LIBRARIES and isinstance(each.value, ast.Constant) for each in node.keywords
    )


def waits_by_hand(loop: ast.While) -> bool:
    """Whether a loop handles an error of its try and sleeps in the same round."""
    nodes = list(ast.walk(loop))
    tries = [node for node in nodes if isinstance(node, ast.Try)]
    handles = any(
        not any(isinstance(end, ast.Raise | ast.Return) for end in handler.body)
        for node in tries
        for handler in node.handlers
    )
    calls = {
        ast.unparse(node.func).rsplit(".", 1)[-1] for node in nodes if isinstance(node, ast.Call)
    }
    return handles and bool(calls & SLEEPS)


def test_no_other_module_has_a_schedule() -> None:
    found = [
        f"{name}:{getattr(node, 'lineno', '?')}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if is_backoff(node) or tells_a_library(node)
    ]

    assert found == []


def test_no_other_module_waits_in_a_loop_of_its_own() -> None:
    found = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.While) and waits_by_hand(node)
    }

    assert found == set(BY_HAND)


def test_sql_takes_its_pauses_as_parameters() -> None:
    files = [*(PACKAGE / "storage").rglob("*.py"), MIGRATIONS / "schema.sql"]

    assert {path.name: INTERVAL.findall(path.read_text()) for path in files} == {
        path.name: [] for path in files
    }


@pytest.mark.parametrize("wrong", ["pause = base * 2 ** failures", "_PAUSES = (0.1, 0.2)"])
def test_a_schedule_would_be_found(wrong: str) -> None:
    assert any(is_backoff(node) for node in ast.walk(ast.parse(wrong)))


def test_a_number_of_attempts_would_be_found() -> None:
    assert tells_a_library(ast.parse("ExponentialRetry(attempts=2)", mode="eval").body)


def test_a_connection_is_made_again_as_the_schedule_says(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses(timedelta(seconds=3), timedelta(seconds=10))
    monkeypatch.setattr(retries, "CONNECTION", pauses)
    monkeypatch.setattr(retries, "CONNECTION_ATTEMPTS", 4)

    again = connect_again()

    assert again.attempts == 4
    assert [again.get_timeout(failures) for failures in (1, 2, 3)] == [3, 6, 10]


def test_a_loop_that_waits_by_hand_would_be_found() -> None:
    loop = "while True:\n    try:\n        go()\n    except OSError:\n        pass\n    sleep(1)"

    assert waits_by_hand(ast.parse(loop).body[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pauses",
    [value for value in vars(retries).values() if isinstance(value, Pauses)],
    ids=[name for name, value in vars(retries).items() if isinstance(value, Pauses)],
)
def test_every_pause_grows_to_its_longest_and_no_jitter_makes_it_longer(pauses: Pauses) -> None:
    plain = [pauses.after(failures) for failures in (1, 2, 3, 10, 21, 22, 10**9)]

    assert plain == sorted(plain)
    assert (plain[0], plain[-1]) == (pauses.first, pauses.most)
    for failures, pause in zip((1, 2, 3), plain, strict=False):
        assert timedelta(0) < pauses.after(failures, jitter=1) <= pause
    assert pauses.listed()[-1] == pauses.most
