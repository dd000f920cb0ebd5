"""Runs the workers: ``orderbus workers`` with what lies beside this file on the path."""

import sys
from pathlib import Path

from orderbus.commands.workers import workers

if __name__ == "__main__":
    workers(["--path", str(Path(__file__).resolve().parent), *sys.argv[1:]])
