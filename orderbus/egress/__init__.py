"""The way to the customer: all of the aiohttp client."""
