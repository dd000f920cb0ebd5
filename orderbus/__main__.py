"""Runs the commands as ``python -m orderbus``."""

from orderbus.commands.cli import main

if __name__ == "__main__":
    main()
