"""How the processes are watched, and how they stop."""

from datetime import timedelta

from pydantic import field_validator

from orderbus.settings.types import Section, Time, setting


class Watching(Section):
    """Logs, ports of metrics and health, and the grace of a stop."""

    log_level: str = setting("INFO", "LOG_LEVEL")
    """DEBUG, INFO, WARNING or ERROR."""
    metrics_host: str = setting("127.0.0.1", "ORDERBUS_METRICS_HOST")
    """Address on which worker and bridge show metrics and health."""
    worker_metrics_port: int = setting(9191, "ORDERBUS_WORKER_METRICS_PORT", ge=0, le=65535)
    """Port of the worker's metrics and health, all its processes together; 0 for none."""
    bridge_metrics_port: int = setting(9192, "ORDERBUS_BRIDGE_METRICS_PORT", ge=0, le=65535)
    """Port of the bridge's metrics and health; 0 for none."""
    stop_grace: Time = setting(
        timedelta(seconds=20), "ORDERBUS_STOP_GRACE", ge=timedelta(0), le=timedelta(seconds=600)
    )
    """How long a worker that is told to stop goes on with what is under way; then it hands the
    rest back, uncharged. Ten seconds less than what it has until it is killed."""

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            message = "is not one of DEBUG, INFO, WARNING, ERROR"
            raise ValueError(message)
        return value.upper()
