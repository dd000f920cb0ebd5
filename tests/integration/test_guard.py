"""Where a webhook goes, and where it never does."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orderbus.egress.session import Session, open_session
from tests.support.raw_receiver import OK, answering, listening, post, settings_that_allow
from tests.support.waiting import PATIENCE, until_here

METADATA = "169.254.169.254"

Names = dict[str, Callable[[], list[str]]]


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    """A worker's client that may reach this machine."""
    async with open_session(settings_that_allow("127.0.0.0/8", "::1/128")) as session:
        yield session


@pytest.fixture
async def strict() -> AsyncIterator[Session]:
    """A worker's client as it is without any settings."""
    async with open_session(settings_that_allow()) as session:
        yield session


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Names that lead where a test wants; all others as ever."""
    known: Names = {}
    ask = socket.getaddrinfo

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host not in known:
            return ask(host, port, *args, **kwargs)
        tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*tcp, (address, port)) for address in known[host]()]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


@pytest.fixture
async def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that something connects to."""
    loop = asyncio.get_running_loop()
    tries: list[str] = []
    connect = loop.sock_connect

    async def counted(sock: socket.socket, address: Any) -> None:
        tries.append(address[0])
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", counted)
    return tries


def certify(name: str, folder: Path) -> ssl.SSLContext:
    """Make a server's context for ``name``; its certificate is ``folder / "cert.pem"``."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(secret)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"],  # noqa: S104
)
async def test_not_one_byte_reaches_an_address_that_is_forbidden(
    strict: Session, host: str
) -> None:
    async with listening(answering(OK)) as server:
        answer = await post(strict, f"http://{host}:{server.port}/")

    assert answer.error == "refused_address"
    assert answer.address is None
    assert server.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "017700000001"])
async def test_an_address_in_disguise_leads_nowhere(strict: Session, host: str) -> None:
    async with listening(answering(OK)) as server:
        answer = await post(strict, f"http://{host}:{server.port}/")

    assert answer.error is not None
    assert (answer.status, server.connections) == (None, 0)


async def test_a_name_that_leads_to_a_forbidden_address_is_not_connected_to(
    strict: Session, names: Names, tried: list[str]
) -> None:
    names["inside.example"] = lambda: [METADATA]

    answer = await post(strict, "http://inside.example/latest/meta-data")

    assert (answer.error, answer.address) == ("refused_address", None)
    assert tried == []


async def test_of_several_addresses_only_those_that_are_allowed_are_connected_to(
    session: Session, names: Names, tried: list[str]
) -> None:
    names["both.example"] = lambda: [METADATA, "127.0.0.1", "10.0.0.1"]

    async with listening(answering(OK)) as server:
        answer = await post(session, f"http://both.example:{server.port}/")

    assert (answer.status, answer.address) == (200, "127.0.0.1")
    assert tried == ["127.0.0.1"]


async def test_a_name_that_leads_elsewhere_the_second_time_is_checked_the_second_time(
    names: Names, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["127.0.0.1"], [METADATA], [METADATA]])
    names["turns.example"] = lambda: next(answers)
    monkeypatch.setattr("orderbus.egress.session.NAMES_KEPT", 0)
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    async with (
        listening(answering(closing)) as server,
        open_session(settings_that_allow("127.0.0.0/8")) as session,
    ):
        first, second = [
            await post(session, f"http://turns.example:{server.port}/") for _ in range(2)
        ]

    assert (first.status, second.error) == (200, "refused_address")
    assert tried == ["127.0.0.1"]


# -- names ---------------------------------------------------------------------------------------


async def test_names_whose_lookup_hangs_hold_up_nobody_else(session: Session, names: Names) -> None:
    go_on = threading.Event()
    asked: Counter[str] = Counter()

    def hang(name: str) -> list[str]:
        asked[name] += 1
        go_on.wait(PATIENCE)
        return [METADATA]

    hosts = [f"hangs{number}.example" for number in range(40)]
    names.update({host: lambda host=host: hang(host) for host in hosts})  # type: ignore[misc]
    async with listening(answering(OK)) as server:
        hanging = [asyncio.create_task(post(session, f"http://{host}/")) for host in hosts * 2]
        await until_here(lambda: len(asked) == len(hosts), "every name is looked up")
        answer = await post(session, f"http://localhost:{server.port}/")
        ended_before = sum(task.done() for task in hanging)
        go_on.set()
        await asyncio.gather(*hanging)

    assert (answer.status, ended_before) == (200, 0)
    assert set(asked.values()) == {1}


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_a_name_that_cannot_be_is_a_dns_error(session: Session, host: str) -> None:
    answer = await post(session, f"http://{host}/")

    assert answer.error == "dns"


async def test_a_resolver_that_is_away_is_told_from_a_name_that_is_not_there(
    session: Session, names: Names
) -> None:
    def away() -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    names["shop.example"] = away

    answer = await post(session, "http://shop.example/")

    assert answer.error == "dns_temporary"


async def test_a_name_that_leads_nowhere_is_a_dns_error(session: Session) -> None:
    answer = await post(session, "http://name.invalid/")

    assert answer.error in {"dns", "dns_temporary"}


# -- TLS -----------------------------------------------------------------------------------------


async def test_tls_is_spoken_with_the_name_to_the_address_that_was_checked(
    tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certify("shop.example", tmp_path)
    asked_for: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    names["shop.example"] = lambda: ["127.0.0.1"]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    async with (
        listening(answering(OK), tls) as server,
        open_session(settings_that_allow("127.0.0.0/8")) as session,
    ):
        answers = [await post(session, f"https://shop.example:{server.port}/") for _ in range(2)]

    assert [(answer.status, answer.address) for answer in answers] == [(200, "127.0.0.1")] * 2
    assert asked_for == ["shop.example"]
    assert f"Host: shop.example:{server.port}\r\n".encode() in server.requests[0]


async def test_a_certificate_that_nobody_vouches_for_is_a_tls_error(
    session: Session, tmp_path: Path
) -> None:
    async with listening(answering(OK), certify("localhost", tmp_path)) as server:
        answer = await post(session, f"https://localhost:{server.port}/")

    assert answer.error == "tls"
    assert server.requests == []


async def test_a_certificate_of_another_name_is_a_tls_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certify("shop.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    async with (
        listening(answering(OK), tls) as server,
        open_session(settings_that_allow("127.0.0.0/8")) as session,
    ):
        answer = await post(session, f"https://localhost:{server.port}/")

    assert answer.error == "tls"
    assert server.requests == []


async def test_plain_http_where_tls_was_expected_is_a_tls_error(session: Session) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await post(session, f"https://127.0.0.1:{port}/")

    assert answer.error == "tls"


# -- the environment ----------------------------------------------------------------------------


async def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(answering(OK)) as proxy, listening(answering(OK)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with open_session(settings_that_allow("127.0.0.0/8")) as session:
            answer = await post(session, server.url)

    assert answer.status == 200
    assert (proxy.connections, len(server.requests)) == (0, 1)
