import asyncio
from typing import Any

import grpc
import pytest
from underpaint.contract import deadlines
from underpaint.contract.rim import RimInterceptor
from underpaint.v1 import edge_pb2

from tests.unit.contract.test_rim import STREAM, UNARY, ScriptedServicer


class LateCall:
    """A call whose caller has set a deadline that has passed, in a server that left it running."""

    def __init__(self) -> None:
        self.status: grpc.StatusCode | None = None

    def time_remaining(self) -> float:
        return 0.0

    async def abort(self, code: grpc.StatusCode, *_: Any) -> None:
        self.status = code
        raise grpc.aio.AbortError


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_the_server_itself_ends_a_call_whose_callers_deadline_has_passed(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not grpc cancels the handler, which it does for well-behaved clients only."""
    monkeypatch.setitem(deadlines.DEADLINES, method, 10**6)
    servicer = ScriptedServicer()
    servicer.act = asyncio.Event().wait
    name = method.rpartition("/")[2]
    streams = method == STREAM
    wrap = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler

    async def continuation(_: Any) -> Any:
        return wrap(getattr(servicer, name))

    class Details:
        invocation_metadata = ()

    details: Any = Details()
    details.method = method
    handler: Any = await RimInterceptor().intercept_service(continuation, details)
    call = LateCall()

    async def answered() -> None:
        if streams:
            async for _ in handler.unary_stream(edge_pb2.GetDraftRequest(), call):
                pass
        else:
            await handler.unary_unary(edge_pb2.GetNodeRequest(), call)

    with pytest.raises(grpc.aio.AbortError):
        await asyncio.wait_for(answered(), 10)  # or else it would wait for ever
    assert call.status is grpc.StatusCode.DEADLINE_EXCEEDED
