"""What a JSON text may hold before anything looks at its meaning.

Duplicate names and numbers like NaN, which RFC 8259 leaves to the reader, are refused: two readers
that disagree about a body would disagree about its hash. Numbers and nesting are bounded before
they are converted, so that a text costs its reader no more than its length.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final, NoReturn

from orderbus.domain.text import LONGEST_ECHO, brief
from orderbus.errors import Fault, Invalid

#: Lists and objects in one another. Python itself gives up near 1000, counted with its callers.
DEEPEST: Final = 64
#: Lists and objects in all: many small ones cost Python most, for the bytes they take.
MOST_CONTAINERS: Final = 50_000
#: Characters of a number, and digits of its exponent; a double has 24 and 3.
LONGEST_NUMBER: Final = 100
_LONGEST_EXPONENT: Final = 3

_IN_PIECES: Final = json.JSONEncoder(default=str)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
#: Never tried twice at one place, even where the text does not end: so it stays linear.
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
#: A step down for what opens, a step up (-1 as a signed byte) for what closes, nothing else.
_STEPS: Final = bytes(1 if byte in b"[{" else 255 for byte in range(256))
_NO_STEP: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


def loads(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read ``text`` with every fraction as an exact ``Decimal``, in time linear in its length.

    Raises ``Invalid`` for anything that is not UTF-8 JSON, for duplicate names, for NaN and
    Infinity, and for what is nested too deeply or has too long a number. Its cause is a
    ``JSONDecodeError`` where the text is none by its grammar.
    """
    _check_shape(text)
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise _malformed(f"not JSON: {error.msg} at {place}") from error
    except ValueError as error:
        raise _malformed(str(error)) from None


def dumps(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write ``value`` so that equal values give equal text: names sorted, no spaces."""
    return _ENCODER.encode(value)


def echo(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give a value as it is, or the beginning of its text where that is long."""
    if isinstance(value, str):
        return brief(value)
    text = ""
    for piece in _IN_PIECES.iterencode(value):
        text += piece
        if len(text) > LONGEST_ECHO:
            return brief(text)
    return value


def _check_shape(text: bytes) -> None:
    """Count lists and objects, and how deeply they stand in one another; reads nothing else."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return  # wherever they stand
    steps = _TEXT.sub(b"", text).translate(_STEPS, _NO_STEP)
    if steps.count(1) > MOST_CONTAINERS:
        raise _malformed(f"more than {MOST_CONTAINERS} lists and objects")
    if max(accumulate(array("b", steps)), default=0) > DEEPEST:
        raise _malformed(f"nested too deeply: {DEEPEST} levels are allowed")


def _fraction(literal: str) -> Decimal:
    exponent = literal.lower().partition("e")[2]
    if len(exponent.lstrip("+-0")) > _LONGEST_EXPONENT:
        raise ValueError(f"the number {brief(literal, 40)} is out of range")
    return Decimal(_bounded(literal))


def _bounded(literal: str) -> str:
    if len(literal) > LONGEST_NUMBER:
        message = f"the number {brief(literal, 40)} is longer than {LONGEST_NUMBER} characters"
        raise ValueError(message)
    return literal


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {brief(name, 40)!r} occurs twice in one object")
    return members


def _malformed(detail: str) -> Invalid:
    return Invalid("The body is not valid JSON", [Fault("", "malformed", detail)])


#: Made once: making one costs more than to read a small body.
_DECODER: Final = json.JSONDecoder(
    parse_int=lambda literal: int(_bounded(literal)),
    parse_float=_fraction,
    parse_constant=_no_constant,
    object_pairs_hook=_unique,
)
