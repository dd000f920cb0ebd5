"""Counts come in the format that is wanted most, and as JSON where both are wanted alike."""

from __future__ import annotations

import pytest

from orderbus.web.accept import quality

JSON, TEXT, OPENMETRICS = "application/json", "text/plain", "application/openmetrics-text"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "kind", "wanted"),
    [
        ("", JSON, 1),
        ("*/*", TEXT, 1),
        ("text/*;q=0.5, */*;q=0.1", TEXT, 0.5),
        ("text/*;q=0.5, */*;q=0.1", JSON, 0.1),
        ("text/plain;q=0.2, text/*;q=0.9", TEXT, 0.2),
        ("text/plain;q=0, */*", TEXT, 0),
        ("text/html", TEXT, 0),
        ("TEXT/Plain ; Q=0.7", TEXT, 0.7),
        ("text/plain;version=1;q=0.2,text/plain;version=0;q=0.4", TEXT, 0.4),
        (PROMETHEUS, OPENMETRICS, 0.6),
        (PROMETHEUS, TEXT, 0.4),
        (PROMETHEUS, JSON, 0.2),
    ],
)
def test_the_range_that_names_a_type_best_decides(accept: str, kind: str, wanted: float) -> None:
    assert quality(accept, kind) == wanted


@pytest.mark.parametrize("broken", ["text/plain;q=2", "text/plain;q=-1", "text/plain;q=0.5555"])
def test_a_quality_that_is_none_wants_nothing(broken: str) -> None:
    assert quality(f"{broken}, */*;q=0.1", TEXT) == 0.1


@pytest.mark.parametrize("hostile", [",;,;", ";q=1", "q" * 8000, "a/b;" * 2000, "\x00", "٣/٣;q=٣"])
def test_what_is_no_list_of_types_is_read_to_its_end(hostile: str) -> None:
    assert quality(hostile, JSON) in {0.0, 1.0}
