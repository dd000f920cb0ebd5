"""A customer's receiver that believes signatures, and nothing else."""

from __future__ import annotations

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


class Verifying:
    """What a customer's receiver does: it takes what its secret verifies, and refuses the rest."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    async def __call__(self, request: web.Request) -> web.Response:
        try:
            Webhook(self.secret).verify(await request.text(), dict(request.headers))
        except WebhookVerificationError:
            return web.Response(status=401)
        return web.Response(status=204)
