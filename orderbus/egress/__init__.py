"""The way to the customer: the aiohttp client."""
