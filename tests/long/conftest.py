"""What takes minutes: run by ``make test-long``, and by nothing else."""

from __future__ import annotations

from tests.end_to_end.conftest import system

__all__ = ["system"]
