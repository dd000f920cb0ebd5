"""JSON that costs its reader more than its sender: each text is about ``n`` bytes long."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

#: What may be sent in the place of any value.
VALUES: Final[dict[str, Callable[[int], bytes]]] = {
    # -- numbers --
    "a number with a large exponent": lambda _: b"1e3000000",
    "a number with a small exponent": lambda _: b"-1.5E-3000000",
    "an exponent that no decimal has": lambda _: b"1e9999999999999999999",
    "an exponent that grows": lambda n: b"1e%d" % n,
    "a number of many digits": lambda n: b"9" * n,
    "a fraction of many digits": lambda n: b"0." + b"1" * n,
    "an exponent of many digits": lambda n: b"1e" + b"0" * n + b"1",
    "numbers of the most digits Python takes": lambda n: _list(b"9" * 4300, n),
    "many whole numbers": lambda n: _list(b"1", n),
    "many fractions": lambda n: _list(b"1.5", n),
    "no number": lambda _: b"NaN",
    "digits in a text": lambda n: _text(b"9" * n),
    "a fraction in a text": lambda n: _text(b"0." + b"1" * n),
    "an exponent in a text": lambda _: _text(b"1e3000000"),
    "digits apart in a text": lambda n: _text(b"1_" * (n // 2) + b"1"),
    # -- names --
    "many names, the last one twice": lambda n: _object(n, b'"z":0,"z":0'),
    "many names, the first one twice": lambda n: _object(n, b'"0":0'),
    "one name many times": lambda n: b"{" + b",".join([b'"a":0'] * (n // 6)) + b"}",
    "a long name twice": lambda n: b'{"%b":0,"%b":0}' % (b"a" * (n // 2), b"a" * (n // 2)),
    "many names": lambda n: _object(n, b'"z":0'),
    # -- lists and nesting --
    "many empty objects": lambda n: _list(b"{}", n),
    "many empty lists": lambda n: _list(b"[]", n),
    "many wrong objects": lambda n: _list(b'{"quantity":0,"sku":""}', n),
    "many nulls": lambda n: _list(b"null", n),
    "nested as deeply as Python reads": lambda _: b"[" * 981 + b"]" * 981,
    "nested in objects": lambda _: b'{"a":' * 481 + b"1" + b"}" * 481,
    "nested without end": lambda n: b"[" * (n // 2) + b"]" * (n // 2),
    "objects nested without end": lambda n: b'{"a":' * (n // 6) + b"1" + b"}" * (n // 6),
    "never closed": lambda n: b"[" * n,
    "never opened": lambda n: b"]" * n,
    "closed wrongly": lambda n: b"[}" * (n // 2),
    # -- texts --
    "a long text": lambda n: _text(b"a" * n),
    "an address without end": lambda n: _text(b"a@" * (n // 2)),
    "a text of escapes": lambda n: _text(b"\\u0000" * (n // 6)),
    "halves of pairs": lambda n: _text(b"\\ud800" * (n // 6)),
    "a text that does not end": lambda n: b'"' + b'\\"' * (n // 2),
    "a text that ends in a backslash": lambda n: b'"' + b'\\"' * (n // 2) + b"\\",
    "brackets in a text": lambda n: _text(b"[{" * (n // 2)),
    "many texts": lambda n: _list(b'"a"', n),
    "many quotes": lambda n: b'"' * n,
    "many backslashes": lambda n: b"\\" * n,
    "bytes that are no UTF-8": lambda n: _text(b"\xff" * n),
    "NUL": lambda n: b"\0" * n,
    # -- nothing --
    "spaces": lambda n: b" " * n,
    "lines and then nothing": lambda n: b"\n" * n,
    "commas": lambda n: b"," * n,
}


def _list(item: bytes, n: int) -> bytes:
    return b"[" + b",".join([item] * (n // (len(item) + 1))) + b"]"


def _text(inside: bytes) -> bytes:
    return b'"' + inside + b'"'


def _object(n: int, last: bytes) -> bytes:
    return b"{" + b"".join(b'"%d":0,' % number for number in range(n // 10)) + last + b"}"


def bodies(example: Any, n: int) -> Iterator[tuple[str, bytes]]:
    """Each nasty value as a whole body, and in the place of each part of ``example``."""
    for name, value in VALUES.items():
        yield name, value(n)
        for place in _places(example):
            yield f"{name} at {place}", _replaced(example, place, value(n))


def _places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Name each part; of a list the first item stands for all."""
    inside: Any = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value[:1]) if isinstance(value, list) else inside:
        yield (*at, key)
        yield from _places(inner, (*at, key))


def _replaced(example: Any, place: tuple[str | int, ...], value: bytes) -> bytes:
    body = json.loads(json.dumps(example))
    holder = body
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = "@"
    return json.dumps(body).encode().replace(b'"@"', value, 1)


def grows_linearly(cost: Callable[[int], float], n: int) -> bool:
    """Say whether what costs so much grows linearly; asked again where something else took time."""
    return any(is_linear(cost(n), cost(4 * n)) for _ in range(4))


def is_linear(short: float, long: float) -> bool:
    """Compare seconds of CPU for n and for 4n: about 4 times is linear, 16 is quadratic.

    Below 0.1 s it is all the same: so little is not what stops a process.
    """
    return long < 10 * max(short, 0.010)


def cpu(run: Callable[[], object]) -> float:
    """Measure the seconds of CPU that this process used for it."""
    began = time.process_time()
    run()
    return time.process_time() - began
