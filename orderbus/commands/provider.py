"""The option that chooses the provider of every dependency."""

import click

from orderbus.devtools.dependencies import Provider

with_provider = click.option(
    "--parts",
    "provider",
    type=click.Choice([each.value for each in Provider]),
    callback=lambda _context, _option, value: value and Provider(value),
    help="Provider of every dependency; without it, the first of these that is here.",
)
