"""The front door: all of aiohttp.web."""
