"""The common part of all gRPC clients: the channel, the deadline of each call, the errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import grpc
from underpaint.contract import reach
from underpaint.contract.addresses import Address, parse_address
from underpaint.contract.deadlines import DEADLINES
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.status import from_rpc
from underpaint.contract.tls import Certificates, TlsDirectory, channel_credentials

StubT = TypeVar("StubT")

_CHANNEL_OPTIONS: Final = (
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 30_000),
    # By default it grows to two minutes, and a service that is back would seem out of reach.
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Otherwise a new channel inherits the backoff of another one to the same address.
    ("grpc.use_local_subchannel_pool", 1),
)


class Connection(Generic[StubT]):
    """The connection to one service: its stub, and the translation of its errors.

    It connects at the first call and belongs to the event loop of that call. After certificates
    were replaced, the next call uses a new channel.
    """

    def __init__(
        self,
        label: str,
        address: str,
        stub: Callable[[grpc.aio.Channel], StubT],
        *,
        tls_dir: Path | None = None,
        own: bool = False,
    ) -> None:
        """Reads the certificates, if a directory is given.

        Args:
            label: the service and its address, for messages.
            address: HOST:PORT.
            stub: makes the stub of a channel.
            tls_dir: directory with `ca.pem`, to check the service, and this client's certificate.
            own: whether the service uses the same certificate, which need not name its address.

        Raises:
            InvalidRequest: the address is not valid, or the certificates cannot be used.
        """
        self._label = label
        self._address = parse_address(address)
        self._make_stub = stub
        self._own = own
        self._tls = TlsDirectory(tls_dir) if tls_dir else None
        self._used: Certificates | None = None
        self._stub: StubT | None = None
        # Calls may still run on older channels; channels without calls close by themselves.
        self._channels: list[grpc.aio.Channel] = []

    @property
    def stub(self) -> StubT:
        """The stub, on an open channel."""
        certificates = self._tls.current() if self._tls else None
        if self._stub is None or certificates is not self._used:
            channel = _channel(self._address, certificates, own=self._own)
            self._channels.append(channel)
            self._stub, self._used = self._make_stub(channel), certificates
        return self._stub

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns errors of grpc into domain errors that say what to do."""
        try:
            yield
        except grpc.aio.AioRpcError as error:
            directory = self._tls.directory if self._tls else None
            raise from_rpc(
                error, self._label, lambda said: reach.reason(said, self._address, directory)
            ) from None

    async def close(self) -> None:
        """Closes the channels and ends calls that still run."""
        channels, self._channels, self._stub = self._channels, [], None
        for channel in channels:
            await channel.close()


def open_channel(address: str, tls_dir: Path | None = None) -> grpc.aio.Channel:
    """Opens a channel to a service; the caller must close it.

    Raises:
        InvalidRequest: the address is not valid, or the certificates cannot be used.
    """
    where = parse_address(address)
    certificates = TlsDirectory(tls_dir).current() if tls_dir else None
    return _channel(where, certificates)


def _channel(
    address: Address, certificates: Certificates | None, *, own: bool = False
) -> grpc.aio.Channel:
    # Never use a proxy for this machine, whatever the environment says.
    proxies = 0 if own or address.is_loopback else 1
    options: list[tuple[str, Any]] = [*_CHANNEL_OPTIONS, ("grpc.enable_http_proxy", proxies)]
    target = str(address)
    if certificates is None:
        return grpc.aio.insecure_channel(target, options=options)
    if own and certificates.hosts:
        options.append(("grpc.ssl_target_name_override", certificates.hosts[0]))
    return grpc.aio.secure_channel(target, channel_credentials(certificates), options=options)


def call_options(method: str, token: str = "", timeout_s: float | None = None) -> dict[str, Any]:
    """The keyword arguments of one call: its deadline and the token.

    Args:
        method: such as "/underpaint.v1.EdgeService/GetDraft".
        token: sent as a bearer token; "" sends none.
        timeout_s: seconds, at most the RPC's own limit; None for that limit.
    """
    cap = DEADLINES[method]
    options: dict[str, Any] = {"timeout": cap if timeout_s is None else min(timeout_s, cap)}
    if token:
        options["metadata"] = (("authorization", f"Bearer {token}"),)
    return options


def read_token(path: Path | None) -> str:
    """Reads the token from a file; "" without a file.

    Raises:
        InvalidRequest: the file cannot be read or is empty.
    """
    if path is None:
        return ""
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the token file {path} cannot be read: {error}") from None
    if not token:
        raise InvalidRequest(f"the token file {path} is empty; write a long random word into it")
    return token


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Turns errors of grpc into domain errors; `service` names it and its address in messages."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error, service) from None
