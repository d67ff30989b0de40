"""The client: drafts from the edge, promotions from the orchestrator."""

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

# Waits before each new try: about 13 s in all, longer than a restart of a service.
PAUSES_S: Final = (0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2)


class AsyncUnderpaint(Drafts, Promotions, Policy, Ledger):
    """One artist's way to both tiers. Use as an async context, or call `close`.

    Every method raises `contract.errors` only. Those named at the methods come on top
    of what any call may raise: InvalidRequest, Unauthenticated, DeadlineExceeded,
    and Unavailable when a service is out of reach.
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
        """Opens nothing yet.

        Args:
            edge: host:port of the edge node; empty if it is not to be called.
            orchestrator: host:port of the orchestrator; empty if it is not to be called.
            token: sent as a bearer token if not empty.
            timeout_s: seconds each call may take; None takes the RPC's own.
            pauses_s: seconds waited before each new try of what may be retried.
            tls_dir: ca.pem, cert.pem and key.pem, if the services are called by TLS.

        Raises:
            InvalidRequest: an address is not one, or the certificates cannot be used.
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
        """A client of the services named in the environment, or of the running `up`.

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
        """Ends both channels and what still runs on them."""
        await self._edge.close()
        await self._orchestrator.close()
