"""What `doctor` finds about the topics and subscriptions."""

from __future__ import annotations

from orderbus.commands.findings import Examinations, Finding, fault, ok
from orderbus.pubsub import topology
from orderbus.settings import Settings


def examinations(settings: Settings) -> Examinations:
    """Name what is looked at, and what to type where Pub/Sub does not answer."""

    async def topics() -> Finding:
        problems = await topology.check(settings)
        if problems:
            return fault("Pub/Sub", "; ".join(problems), "orderbus migrate")
        where = settings.pubsub_emulator_host or "Google Cloud"
        names = f"topic {settings.pubsub_topic}, subscription {settings.pubsub_subscription}"
        return ok("Pub/Sub", f"{where}: {names}, dead letters of both")

    return {"Pub/Sub": (topics, "check PUBSUB_EMULATOR_HOST or Google's credentials")}
