"""The node's client of the orchestrator, used only by the outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
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
    """Reads a PromotionRequest from the outbox."""
    return pb.PromotionRequest.FromString(request)


class Orchestrator:
    """The orchestrator. While it is out of reach, methods raise Unavailable or DeadlineExceeded."""

    def __init__(
        self,
        address: str,
        token: str = "",
        timeout_s: float | None = None,
        *,
        tls_dir: Path | None = None,
    ) -> None:
        """Connects at the first call.

        Args:
            address: HOST:PORT.
            token: sent as a bearer token; "" sends none.
            timeout_s: seconds that each call may take; None for the default of each call.
            tls_dir: directory with certificates; None connects without TLS.

        Raises:
            InvalidRequest: the address is not valid, or the certificates cannot be used.
        """
        self._token = token
        self._timeout_s = timeout_s
        self._connection = Connection(
            f"the orchestrator at {address}", address, OrchestratorServiceStub, tls_dir=tls_dir
        )

    async def close(self) -> None:
        """Closes the connection."""
        await self._connection.close()

    async def find(self, promotion_id: str) -> Promotion | None:
        """The promotion with this id, if there is one."""
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
        """Quotes a stored request. Raises PolicyRefused if the policy forbids it."""
        options = call_options(f"{_SERVICE}Quote", self._token, self._timeout_s)
        with self._connection.translated():
            answer = await self._connection.stub.Quote(
                pb.QuoteRequest(promotion=parse_request(request)), **options
            )
        return quote_from_wire(answer.quote)

    async def promote(
        self,
        promotion_id: str,
        quote_id: str,
        request: bytes,
        init_image: InitImage,
        others: Sequence[bytes] = (),
    ) -> Promotion:
        """Makes the promotion: sends the pictures and reserves the money. Again changes nothing.

        `others` are the pictures beside the draft, in the order in which they are sent.

        Raises:
            PromotionConflict: the id is used for other content.
            PolicyRefused, BudgetExceeded, QuoteExpired: nothing is reserved.
        """
        head = pb.PromoteHead(
            promotion_id=promotion_id, quote_id=quote_id, promotion=parse_request(request)
        )
        if head.promotion.init_image.sha256 != init_image.draft.digest.sha256:
            raise InvalidRequest(f"promotion {promotion_id} is for another picture")

        async def parts() -> AsyncIterator[pb.PromoteRequest]:
            yield pb.PromoteRequest(head=head)
            for picture in (init_image.picture, *others):
                for data in split(picture):
                    yield pb.PromoteRequest(chunk=common_pb2.Chunk(data=data))

        options = call_options(f"{_SERVICE}Promote", self._token, self._timeout_s)
        with self._connection.translated():
            answer = await self._connection.stub.Promote(parts(), **options)
        return promotion_from_wire(answer.promotion)
