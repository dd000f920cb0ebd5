"""Runs the web server: the same as ``orderbus web``, from a checkout."""

from orderbus.commands.web import web

if __name__ == "__main__":
    web()
