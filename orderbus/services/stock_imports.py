"""A file of stock is booked as a job: checked whole first, then some lines at a time.

The lines are kept with the job, so it goes on without the file, and without whoever began it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from orderbus import storage
from orderbus.domain.orders import faults, without_nul
from orderbus.domain.text import brief, storable
from orderbus.errors import Conflict, Fault, Invalid
from orderbus.services import kinds, stock
from orderbus.services.kinds import Kind, Outside
from orderbus.storage.database import Connection
from orderbus.storage.job_lines import JobLine
from orderbus.storage.jobs import Cursor, Refusal, Step
from orderbus.storage.stock_bookings import Line

#: Bytes and lines of a file at most.
MOST_BYTES: Final = 20_000_000
MOST_OF_FILE: Final = 100_000
COLUMNS: Final = ("sku", "count", "delta", "expected", "reason")
#: Faults that are named; more are as good as none.
_NAMED: Final = 10


class ImportStock(kinds.Filter):
    """Book the lines of a file, each that can be."""

    file: str
    sha256: str
    lines: int


_Text = Annotated[str, AfterValidator(without_nul)]


class _Row(BaseModel):
    """The cells of a line; an empty one is not given."""

    sku: Annotated[_Text, Field(min_length=1, max_length=100)]
    count: int | None = None
    delta: int | None = None
    expected: int | None = None
    reason: Annotated[_Text, Field(max_length=2000)] | None = None


def read(content: bytes, *, reason: str | None) -> list[JobLine]:
    """Read a file: UTF-8, with commas, and a first line that names its columns (``COLUMNS``).

    ``reason`` is that of lines which give none. Raises ``Invalid`` with each line that is not
    clear; the blank ones are passed over.
    """
    lines, first_of, wrong = list[JobLine](), dict[str, int](), list[Fault]()
    for number, cells in _rows(content):
        try:
            line = JobLine(number, _content({"reason": reason, **cells}, first_of))
        except ValueError as error:
            wrong.append(Fault(f"/{number}", "line", f"line {number}: {_said(error)}"))
        else:
            first_of[line.content["sku"]] = number
            lines.append(line)
    if wrong:
        named = "; ".join(fault.detail for fault in wrong[:_NAMED])
        raise Invalid(f"{len(wrong)} lines are not valid. {named}", wrong)
    return lines


def _rows(content: bytes) -> list[tuple[int, dict[str, str]]]:
    if len(content) > MOST_BYTES:
        raise Invalid(f"The file has more than {MOST_BYTES} bytes: divide it")
    try:
        rows = list(_cells(content.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise Invalid(f"The file is not UTF-8: byte {error.start} is not") from None
    except csv.Error as error:
        raise Invalid(f"The file is not CSV: {error}") from None
    if not 1 <= len(rows) <= MOST_OF_FILE:
        found = f"more than {MOST_OF_FILE} lines: divide it" if rows else "no line below its first"
        raise Invalid(f"The file has {found}")
    return rows


def _cells(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = [name.strip() for name in next(reader, [])]
    if "sku" not in names or not set(names) <= set(COLUMNS) or len(set(names)) < len(names):
        given, allowed = brief(", ".join(names), 200) or "nothing", ", ".join(COLUMNS)
        raise Invalid(f"The first line has {given}: name columns of {allowed}, and sku among them")
    for cells in islice(filter(None, reader), MOST_OF_FILE + 1):
        # What is behind the last name has no name of its own.
        named = zip_longest(names, cells[: len(names) + 1], fillvalue="")
        yield reader.line_num, {name: cell.strip() for name, cell in named if cell.strip()}


def _content(given: Mapping[str, str | None], first_of: Mapping[str, int]) -> dict[str, Any]:
    """Check the cells of a line; raises ``ValueError``."""
    if "" in given:
        raise ValueError("has more cells than the first line")
    content = _Row.model_validate(given).model_dump(exclude_none=True)
    if (first := first_of.get(content["sku"])) is not None:
        raise ValueError(f"is about the product of line {first}: give one line for each")
    if (fault := stock.unclear(Line(**content))) is not None:
        raise ValueError(fault)
    return content


def _said(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{fault.pointer[1:]} {fault.detail}" for fault in faults(error))


async def unknown(connection: Connection, lines: Sequence[JobLine]) -> list[str]:
    """Name the products of lines that are not in the catalogue."""
    skus = [line.content["sku"] for line in lines]
    known = await storage.products.ids(connection, skus, only_sold=False)
    return [sku for sku in skus if sku not in known]


async def about(
    connection: Connection, lines: Sequence[JobLine], *, file: str, content: bytes, again: bool
) -> ImportStock:
    """Say what a job with these lines is about, in the transaction that is to begin it.

    Raises ``Conflict`` where one was begun with the same content, unless ``again``.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    booked = await storage.job_lines.job_of_file(connection, IMPORT.name, sha256)
    if booked is not None and not again:
        raise Conflict(f"Job {booked} was begun with this file: --again books it once more")
    return ImportStock(file=storable(brief(file, 200)), sha256=sha256, lines=len(lines))


async def _count(_connection: Connection, wanted: ImportStock) -> AsyncGenerator[int, None]:
    yield wanted.lines


async def _book(
    connection: Connection,
    _wanted: ImportStock,
    _cursor: Cursor | None,
    at_most: int,
    outside: Outside,
) -> Step:
    """Book the next lines, each that can be; they leave with the same commit."""
    lines = await storage.job_lines.take(connection, outside.job_id, at_most=at_most)
    if not lines:
        return Step(0)
    given = [Line(**line.content) for line in lines]
    booked = await stock.book(connection, given, each_alone=True, actor=outside.asked_by)
    refusals = [
        Refusal(f"line {lines[each.index].line} ({lines[each.index].content['sku']})", why)
        for each in booked
        if (why := stock.refusal(each)) is not None
    ]
    behind = {"after": lines[-1].line} if len(lines) == at_most else None
    return Step(len(lines) - len(refusals), len(refusals), behind, refusals)


IMPORT: Final = Kind("import_stock", ImportStock, _count, _book, is_begun_with_lines=True)
