"""Who may provide what orderbus needs on this machine."""

from enum import StrEnum


class Provider(StrEnum):
    """Who provides a dependency that no setting names: the first of these that is here."""

    NATIVE = "native"
    DOCKER = "docker"
    EMBEDDED = "embedded"
