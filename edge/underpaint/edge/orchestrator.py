"""What a node asks of the orchestrator, for its outbox alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from underpaint.contract.chunks import split
from underpaint.contract.drafts import InitImage
from underpaint.contract.errors import InvalidRequest, PromotionNotFound
from underpaint.contract.promotion import Promotion, Quote
from underpaint.contract.rim import Connection, call_options
from underpaint.contract.wire import promotion_from_wire, quote_from_wire
from underpaint.v1 import common_pb2
from underpaint.v1 import orchestrator_pb2 as pb
from underpaint.v1.orchestrator_pb2_grpc import OrchestratorServiceStub

_SERVICE = "/underpaint.v1.OrchestratorService/"


def parse_request(request: bytes) -> pb.PromotionRequest:
    """A PromotionRequest as it was kept."""
    return pb.PromotionRequest.FromString(request)


class Orchestrator:
    """Every method raises Unavailable or DeadlineExceeded while it is out of reach."""

    def __init__(
        self,
        address: str,
        token: str = "",
        timeout_s: float | None = None,
        *,
        tls_dir: Path | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            address: host:port.
            token: sent as a bearer token if not empty.
            timeout_s: seconds each call may take; None takes the RPC's own.
            tls_dir: certificates, if it is called by TLS.

        Raises:
            InvalidRequest: the address is not one, or the certificates cannot be used.
        """
        self._token = token
        self._timeout_s = timeout_s
        self._connection = Connection(
            f"the orchestrator at {address}", address, OrchestratorServiceStub, tls_dir=tls_dir
        )

    async def close(self) -> None:
        """Ends the channel."""
        await self._connection.close()

    async def find(self, promotion_id: str) -> Promotion | None:
        """The promotion, if there is one of this id."""
        options = call_options(f"{_SERVICE}GetPromotion", self._token, self._timeout_s)
        try:
            with self._connection.translated():
                answer = await self._connection.stub.GetPromotion(
                    pb.GetPromotionRequest(promotion_id=promotion_id), **options
                )
        except PromotionNotFound:
            return None
        return promotion_from_wire(answer.promotion)

    async def quote(self, request: bytes) -> Quote:
        """An upper bound of a kept request's price, today. Raises PolicyRefused."""
        options = call_options(f"{_SERVICE}Quote", self._token, self._timeout_s)
        with self._connection.translated():
            answer = await self._connection.stub.Quote(
                pb.QuoteRequest(promotion=parse_request(request)), **options
            )
        return quote_from_wire(answer.quote)

    async def promote(
        self, promotion_id: str, quote_id: str, request: bytes, init_image: InitImage
    ) -> Promotion:
        """Reserves the quote and sends the draft; again it answers with what is stored.

        Raises:
            PromotionConflict: the id is taken by other content.
            PolicyRefused, BudgetExceeded, QuoteExpired: nothing is reserved.
        """
        head = pb.PromoteHead(
            promotion_id=promotion_id, quote_id=quote_id, promotion=parse_request(request)
        )
        if head.promotion.init_image.sha256 != init_image.draft.digest.sha256:
            raise InvalidRequest(f"promotion {promotion_id} is of another picture")

        async def parts() -> AsyncIterator[pb.PromoteRequest]:
            yield pb.PromoteRequest(head=head)
            for data in split(init_image.picture):
                yield pb.PromoteRequest(chunk=common_pb2.Chunk(data=data))

        options = call_options(f"{_SERVICE}Promote", self._token, self._timeout_s)
        with self._connection.translated():
            answer = await self._connection.stub.Promote(parts(), **options)
        return promotion_from_wire(answer.promotion)
