"""What is written down of an error can be kept by PostgreSQL, whatever words it has."""

from __future__ import annotations

from orderbus.domain.text import LONGEST_KEPT, of_error


def test_an_error_is_kept_by_its_class_and_its_words() -> None:
    assert of_error(ZeroDivisionError("a bug")) == "ZeroDivisionError: a bug"


def test_words_that_no_text_can_hold_are_replaced() -> None:
    kept = of_error(ValueError("a\x00b\ud800c"))

    assert kept.encode() == "ValueError: a\ufffdb?c".encode()


def test_an_error_that_has_much_to_say_is_cut() -> None:
    assert len(of_error(ValueError("x" * 2 * LONGEST_KEPT))) == LONGEST_KEPT
