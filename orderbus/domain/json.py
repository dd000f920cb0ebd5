"""What may a JSON text hold before anything looks at its meaning?

RFC 8259 leaves duplicate names and numbers like NaN to the reader; here both are refused, since two
readers that disagree about a body would disagree about its signature and its hash.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final, NoReturn

from orderbus.errors import Fault, Invalid

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class _DuplicateName(ValueError):
    pass


def loads(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read ``text`` with every fraction as an exact ``Decimal``.

    Raises ``Invalid`` for anything that is not UTF-8 JSON, for duplicate names, and for NaN and
    Infinity.
    """
    try:
        return json.loads(
            text.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise _malformed(f"not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise _malformed("nested too deeply") from None
    except (ValueError, ArithmeticError) as error:  # an exponent no Decimal can hold, too
        raise _malformed(str(error) or "a number is out of range") from None


def dumps(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write ``value`` so that equal values give equal text: names sorted, no spaces."""
    return _ENCODER.encode(value)


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not a JSON number"
    raise ValueError(message)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the name {twice[:40]!r} occurs twice in one object"
        raise _DuplicateName(message)
    return members


def _malformed(detail: str) -> Invalid:
    return Invalid("The body is not valid JSON", [Fault("", "malformed", detail)])
