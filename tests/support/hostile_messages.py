"""What somebody who can write to a queue may put there: none of it may cost a worker anything."""

from __future__ import annotations

import json
import time
from typing import Any


def message(queue: Any = "probes", **changes: Any) -> bytes:
    """Write a message as a worker does, but for ``changes``."""
    members: dict[str, Any] = {
        "queue_name": queue,
        "actor_name": "probe",
        "args": ["hostile"],
        "kwargs": {},
        "options": {},
        "message_id": "ea9d4a0c-5f0b-4d6e-9f1e-5f3b1f0c9a7e",
        "message_timestamp": 1_767_225_600_000,
        **changes,
    }
    return json.dumps(members).encode()


def _without(name: str) -> bytes:
    return json.dumps({k: v for k, v in json.loads(message()).items() if k != name}).encode()


VALUES: tuple[Any, ...] = (None, 7, "7", [], {}, True)
_FAR = int(time.time() * 1000) + 86_400_000
_DEEP = b"[" * 70 + b"]" * 70

#: By what is wrong with each: bytes for the queue ``probes``, whose actor is ``probe(mark)``.
MESSAGES: dict[str, bytes] = {
    "no JSON": b"\xff not a message",
    "no bytes": b"",
    "half": message()[:-1],
    "an array": b"[]",
    "null": b"null",
    "nested too deep to parse": b"[" * 50_000,
    "nested too deep": message().replace(b'"hostile"', _DEEP),
    "a name twice": message().replace(b'"args"', b'"args": [], "args"'),
    "NaN": message().replace(b'"hostile"', b"NaN"),
    "a huge number": message().replace(b'"hostile"', b"1e999"),
    "a number of many digits": message().replace(b'"hostile"', b"9" * 5_000),
    "an integer beyond 64 bits": message(args=[2**63]),
    "a NUL": message(args=["\0"]),
    "half a surrogate pair": message(kwargs={"mark\ud800": 1}),
    "10 MB": message(args=["x" * 10_000_000]),
    "a member more": message(and_more=1),
    **{f"no {name}": _without(name) for name in json.loads(message())},
    **{
        f"{name} is {value!r}": message(**{name: value})
        for name in json.loads(message())
        for value in VALUES
        if not (
            (name == "args" and value == [])
            or (name in {"kwargs", "options"} and value == {})
            or (name == "message_id" and value == "7")
            or (name == "message_timestamp" and value == 7 and value is not True)
        )
    },
    "a member's name with a newline": message(**{"and\nmore": 1}),
    "an option's name of 10,000 characters": message(options={"x" * 10_000: 1}),
    "another queue": message(queue="others"),
    "the queue of those that wait": message(queue="probes.DQ"),
    "an actor of another queue": message(actor_name="elsewhere"),
    "an actor nobody has": message(actor_name="nobody_has"),
    "an actor's name with a newline": message(actor_name="probe\nprobe"),
    "an id of 10,000 characters": message(message_id="x" * 10_000),
    "no argument": message(args=[]),
    "one argument too many": message(args=["a", "b"]),
    "an argument of another name": message(args=[], kwargs={"brand": "a"}),
    **{
        f"option {name}": message(options={name: value})
        for name, value in {
            "throws": "ValueError",
            "time_limit": 1e300,
            "max_retries": -1,
            "notify_shutdown": True,
            "pipe_target": {"queue_name": "x"},
            "on_failure": "probe",
            "on_success": "probe",
            "group_callbacks": [],
            "broker_priority": 1,
            "traceback": "x",
            "max_age": 0,
            "eta": _FAR,
        }.items()
    },
    "waits of text": message(options={"waits": "many"}),
    "waits below 0": message(options={"waits": -1}),
    "retries true": message(options={"retries": True}),
    "retries beyond all bounds": message(options={"retries": 2**40}),
}

#: The same for the queue ``probes.DQ``, in which messages wait.
DELAYED: dict[str, bytes] = {
    "no eta": message(queue="probes.DQ"),
    "eta far away": message(queue="probes.DQ", options={"eta": _FAR}),
    "eta null": message(queue="probes.DQ", options={"eta": None}),
    "eta of text": message(queue="probes.DQ", options={"eta": "soon"}),
    "eta of a fraction": message(queue="probes.DQ", options={"eta": 1.5}),
    "eta below 0": message(queue="probes.DQ", options={"eta": -1}),
    "the queue itself": message(queue="probes", options={"eta": 1}),
}
