"""The client of both services: drafts from the edge node, promotions from the orchestrator."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from underpaint.contract.rim import read_token
from underpaint.sdk.discovery import find_addresses
from underpaint.sdk.drafts import Drafts
from underpaint.sdk.ledger import Ledger
from underpaint.sdk.peer import Peer
from underpaint.sdk.policy import Policy
from underpaint.sdk.promotions import Promotions
from underpaint.sdk.settings import Settings, read_settings
from underpaint.v1.edge_pb2_grpc import EdgeServiceStub
from underpaint.v1.orchestrator_pb2_grpc import OrchestratorServiceStub

# Seconds before each new try: about 13 s in all, longer than the restart of a service.
PAUSES_S: Final = (0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2)


class AsyncUnderpaint(Drafts, Promotions, Policy, Ledger):
    """The client of an edge node and an orchestrator.

    Use it in an `async with` block, or call `close`. Methods raise only errors of
    `underpaint.sdk.errors`. Any call may raise InvalidRequest, Unauthenticated, NotAllowed,
    DeadlineExceeded, and Unavailable when a service is out of reach; further errors are named at
    each method.
    """

    def __init__(
        self,
        *,
        edge: str = "",
        orchestrator: str = "",
        token: str = "",
        timeout_s: float | None = None,
        pauses_s: tuple[float, ...] = PAUSES_S,
        tls_dir: Path | None = None,
    ) -> None:
        """Makes a client; it connects at the first call.

        Args:
            edge: HOST:PORT of the edge node; "" if it is not used.
            orchestrator: HOST:PORT of the orchestrator; "" if it is not used.
            token: sent as a bearer token; "" sends none.
            timeout_s: seconds that each call may take; None for the default of each call.
            pauses_s: seconds to wait before each new try of a call that may be retried.
            tls_dir: directory with ca.pem, cert.pem and key.pem; None connects without TLS.

        Raises:
            InvalidRequest: an address is not valid, or the certificates cannot be used.
        """
        self._edge = Peer(
            "underpaint.v1.EdgeService",
            edge,
            EdgeServiceStub,
            token=token,
            timeout_s=timeout_s,
            tls_dir=tls_dir,
        )
        self._orchestrator = Peer(
            "underpaint.v1.OrchestratorService",
            orchestrator,
            OrchestratorServiceStub,
            token=token,
            timeout_s=timeout_s,
            tls_dir=tls_dir,
        )
        self._pauses_s = pauses_s

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        """Makes a client of the services named in the environment, else of the running `up`.

        Args:
            settings: read from the environment if None.

        Raises:
            ServiceUnreachable: no address is set and nothing is running.
            InvalidRequest: a setting, the token file or the certificates cannot be used.
        """
        settings = settings or read_settings()
        token = read_token(settings.token_file)
        edge, orchestrator = find_addresses(settings)
        return cls(edge=edge, orchestrator=orchestrator, token=token, tls_dir=settings.tls_dir)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections and ends calls that still run."""
        await self._edge.close()
        await self._orchestrator.close()
