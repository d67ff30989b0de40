"""Real servers and real handshakes; the certificates are made as `underpaint certs` makes them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from underpaint.contract.addresses import Address
from underpaint.contract.errors import InvalidRequest, ServiceUnreachable
from underpaint.contract.health import unhealthy
from underpaint.contract.reach import reason
from underpaint.contract.rim import Connection, call_options, start_server
from underpaint.contract.tls import CERT, KEY, read_certificates
from underpaint.local import authority
from underpaint.v1 import edge_pb2, edge_pb2_grpc

SERVICE = "underpaint.v1.EdgeService"


class Servicer(edge_pb2_grpc.EdgeServiceServicer):
    """Says its name."""

    async def GetNode(self, request: Any, context: Any) -> edge_pb2.GetNodeResponse:  # noqa: N802
        return edge_pb2.GetNodeResponse(model="lite")


@asynccontextmanager
async def served(tls_dir: Path | None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    server, port = await start_server(
        f"{host}:0",
        lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(Servicer(), s),
        [SERVICE],
        tls_dir=tls_dir,
    )
    yield port
    await server.stop(None)


def connected(address: str, tls_dir: Path | None) -> Connection[Any]:
    return Connection("the edge", address, edge_pb2_grpc.EdgeServiceStub, tls_dir=tls_dir)


async def ask(connection: Connection[Any]) -> str:
    with connection.translated():
        answer = await connection.stub.GetNode(
            edge_pb2.GetNodeRequest(), **call_options(f"/{SERVICE}/GetNode", timeout_s=20)
        )
    return str(answer.model)


async def ask_once(address: str, tls_dir: Path | None) -> str:
    connection = connected(address, tls_dir)
    try:
        return await ask(connection)
    finally:
        await connection.close()


async def refusal(address: str, tls_dir: Path | None) -> str:
    with pytest.raises(ServiceUnreachable) as refused:
        await ask_once(address, tls_dir)
    assert "failed to connect to all addresses" not in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    authority.init(tmp_path / "ours", [], days=10)
    return tmp_path / "ours"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    authority.init(tmp_path / "theirs", [], days=10)
    return tmp_path / "theirs"


def expire(directory: Path) -> None:
    """The same machine's certificate, ended yesterday."""
    made = directory.parent / "expired"
    authority.issue(directory, made, [], days=-1)
    for name in (KEY, CERT):
        shutil.copy(made / name, directory / name)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_two_of_one_house_meet(ours: Path, tmp_path: Path, host: str) -> None:
    authority.issue(ours, tmp_path / "artist", [], days=10)
    async with served(ours, host) as port:
        assert await ask_once(f"{host}:{port}", tmp_path / "artist") == "lite"


async def test_a_caller_without_tls_is_told_to_bring_it(ours: Path) -> None:
    async with served(ours) as port:
        assert "give --tls-dir (UNDERPAINT_TLS_DIR)" in await refusal(f"127.0.0.1:{port}", None)


async def test_a_caller_without_a_certificate_is_refused(ours: Path) -> None:
    async with served(ours) as port:
        only_ca = grpc.ssl_channel_credentials((ours / "ca.pem").read_bytes())
        async with grpc.aio.secure_channel(f"localhost:{port}", only_ca) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await edge_pb2_grpc.EdgeServiceStub(channel).GetNode(
                    edge_pb2.GetNodeRequest(), timeout=20
                )
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_server_of_another_house_is_refused(ours: Path, theirs: Path) -> None:
    async with served(theirs) as port:
        said = await refusal(f"127.0.0.1:{port}", ours)
    assert f"not from an authority in {ours}/ca.pem" in said
    assert "underpaint certs issue" in said


async def test_a_caller_of_another_house_is_refused(ours: Path, theirs: Path) -> None:
    # It knows our authority, so that only its own certificate is wrong: its file of authorities
    # holds both.
    both = (theirs / "ca.pem").read_bytes() + (ours / "ca.pem").read_bytes()
    (theirs / "ca.pem").write_bytes(both)
    async with served(ours) as port:
        said = await refusal(f"127.0.0.1:{port}", theirs)
    assert f"may not trust the authority of {theirs}/cert.pem" in said
    assert "underpaint certs issue" in said


async def test_an_expired_server_is_refused(ours: Path, tmp_path: Path) -> None:
    authority.issue(ours, tmp_path / "artist", [], days=10)
    expired = tmp_path / "expired"
    authority.issue(ours, expired, [], days=-1)
    certificates = grpc.ssl_server_credentials(
        [((expired / KEY).read_bytes(), (expired / CERT).read_bytes())],
        (ours / "ca.pem").read_bytes(),
        require_client_auth=True,
    )
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", certificates)
    await server.start()
    said = await refusal(f"127.0.0.1:{port}", tmp_path / "artist")
    assert "its certificate has expired; make it a new one with `underpaint certs issue`" in said
    await server.stop(None)


def test_a_certificate_that_ended_while_it_was_in_use_is_named(ours: Path) -> None:
    expire(ours)
    hung_up = "failed to connect to all addresses; last error: UNAVAILABLE: ...: Socket closed"
    said = reason(hung_up, Address("house.example", 50061), ours)
    assert "it refuses this side's certificate" in said
    assert "has expired; make a new one with `underpaint certs issue`" in said


async def test_a_server_under_another_name_is_refused(ours: Path) -> None:
    async with served(ours, "127.0.0.2") as port:
        said = await refusal(f"127.0.0.2:{port}", ours)
    assert "does not name 127.0.0.2" in said
    assert "underpaint certs issue --host 127.0.0.2" in said


async def test_a_server_that_is_named_is_taken(tmp_path: Path) -> None:
    authority.init(tmp_path / "a", ["127.0.0.2"], days=10)
    async with served(tmp_path / "a", "127.0.0.2") as port:
        assert await ask_once(f"127.0.0.2:{port}", tmp_path / "a") == "lite"


async def test_a_server_that_speaks_no_tls_is_named(ours: Path) -> None:
    async with served(None) as port:
        assert "it speaks no TLS; start it with --tls-dir" in await refusal(
            f"127.0.0.1:{port}", ours
        )


async def test_certificates_are_exchanged_under_a_running_server_and_a_running_client(
    ours: Path, theirs: Path, tmp_path: Path
) -> None:
    server_dir, client_dir = tmp_path / "server", tmp_path / "client"
    for directory in (server_dir, client_dir):
        authority.issue(ours, directory, [], days=10)
    async with served(server_dir) as port:
        connection = connected(f"127.0.0.1:{port}", client_dir)
        assert await ask(connection) == "lite"
        authority.issue(theirs, server_dir, [], days=10)
        assert "not from an authority" in await refusal(f"127.0.0.1:{port}", ours)
        assert await ask(connection) == "lite", "an open connection goes on"
        authority.issue(theirs, client_dir, [], days=10)
        first = connection.stub
        assert await ask(connection) == "lite"
        assert len(connection._channels) == 2
        assert connection.stub is first
        await connection.close()


async def test_half_an_exchange_is_not_taken(
    ours: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server_dir, fresh = tmp_path / "server", tmp_path / "fresh"
    authority.issue(ours, server_dir, [], days=10)
    authority.issue(ours, fresh, [], days=10)
    async with served(server_dir) as port:
        shutil.copy(fresh / KEY, server_dir / KEY)
        with caplog.at_level(logging.WARNING):
            assert await ask_once(f"127.0.0.1:{port}", ours) == "lite"
            assert await ask_once(f"127.0.0.1:{port}", ours) == "lite"
        assert caplog.text.count("key.pem is not the key of cert.pem") == 1
        shutil.copy(fresh / CERT, server_dir / CERT)
        assert await ask_once(f"127.0.0.1:{port}", ours) == "lite"
    assert read_certificates(server_dir).cert == (fresh / CERT).read_bytes()


def break_it(how: str, directory: Path, other: Path) -> None:
    if how in ("ca.pem", "cert.pem", "key.pem"):
        (directory / how).unlink()
    elif how == "other key":
        shutil.copy(other / KEY, directory / KEY)
    elif how == "other authority":
        shutil.copy(other / "ca.pem", directory / "ca.pem")
    elif how == "expired":
        expire(directory)
    elif how == "no certificate":
        (directory / CERT).write_text("-----BEGIN CERTIFICATE-----\nabc\n")
    elif how == "binary":
        (directory / "ca.pem").write_bytes(b"\xff\x00\xfe")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("ca.pem", "ca.pem cannot be read (No such file or directory); `underpaint certs init`"),
        ("cert.pem", "cert.pem cannot be read"),
        ("key.pem", "key.pem cannot be read"),
        ("other key", "key.pem is not the key of cert.pem"),
        ("other authority", "cert.pem does not fit ca.pem"),
        ("expired", "cert.pem or ca.pem has expired; make a new one"),
        ("no certificate", "damaged"),
        ("binary", "damaged"),
    ],
)
async def test_a_directory_that_cannot_be_used_is_refused_at_the_start(
    ours: Path, theirs: Path, how: str, said: str
) -> None:
    break_it(how, ours, theirs)
    with pytest.raises(InvalidRequest) as refused:
        await start_server("127.0.0.1:0", lambda _: None, [], tls_dir=ours)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(InvalidRequest):
        connected("127.0.0.1:1", ours)


@pytest.mark.parametrize(
    ("mode", "owner", "refused"),
    [
        (0o600, 1000, False),
        (0o400, 1000, False),
        (0o640, 1000, True),
        (0o604, 1000, True),
        (0o640, 0, False),  # as a cluster mounts a secret
        (0o644, 0, True),
    ],
)
def test_a_key_that_others_may_read_is_refused(
    ours: Path, mode: int, owner: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    class Seen:
        def __init__(self, path: Path) -> None:
            self.st_mode = real(path).st_mode
            self.st_uid = owner

    (ours / KEY).chmod(mode)
    monkeypatch.setattr(Path, "stat", lambda path, **_: Seen(path))
    if refused:
        with pytest.raises(InvalidRequest, match="run: chmod 600"):
            read_certificates(ours)
    else:
        assert read_certificates(ours).hosts[:1] == ("localhost",)


@pytest.mark.parametrize(
    ("address", "token", "tls", "missing"),
    [
        ("0.0.0.0:0", False, False, "no tokens and no TLS (--tls-dir)"),
        ("0.0.0.0:0", True, False, "no TLS (--tls-dir)"),
        ("0.0.0.0:0", False, True, "no tokens"),
        ("[::]:0", False, False, "no tokens and no TLS"),
        ("0.0.0.0:0", True, True, ""),
        ("127.0.0.1:0", False, False, ""),
        ("localhost:0", False, False, ""),
    ],
)
async def test_only_loopback_or_tokens_and_tls(
    ours: Path,
    address: str,
    token: bool,
    tls: bool,
    missing: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def start(**more: Any) -> None:
        server, _ = await start_server(
            address,
            lambda _: None,
            [],
            token="t" if token else "",
            tls_dir=ours if tls else None,
            **more,
        )
        await server.stop(None)

    if not missing:
        await start()
        return
    with pytest.raises(InvalidRequest) as refused:
        await start()
    assert missing in str(refused.value)
    assert "--insecure" in str(refused.value)
    await start(insecure=True)
    assert "can be reached from other machines and has no" in caplog.text


async def test_a_service_asks_after_itself_by_whatever_address(tmp_path: Path) -> None:
    authority.init(tmp_path / "a", [], days=10)
    server, port = await start_server(
        "0.0.0.0:0", lambda _: None, [], tls_dir=tmp_path / "a", insecure=True
    )
    assert await unhealthy(f"0.0.0.0:{port}", tmp_path / "a", own=True) == ""
    assert "does not name 0.0.0.0" in await unhealthy(f"0.0.0.0:{port}", tmp_path / "a")
    await server.stop(None)
    assert "is it running?" in await unhealthy(f"127.0.0.1:{port}", tmp_path / "a")
