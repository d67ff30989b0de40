import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from underpaint.contract import deadlines, errors, status
from underpaint.contract.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    ServiceUnreachable,
    Unauthenticated,
    UnderpaintError,
)
from underpaint.contract.rim import (
    Connection,
    Readiness,
    call_options,
    check_token,
    open_channel,
    read_token,
    start_server,
    translated,
)
from underpaint.v1 import (
    common_pb2,
    edge_pb2,
    edge_pb2_grpc,
    orchestrator_pb2,
    orchestrator_pb2_grpc,
)

SERVICE = "underpaint.v1.EdgeService"
UNARY = f"/{SERVICE}/GetNode"
STREAM = f"/{SERVICE}/GetDraft"
ERRORS = sorted(status.CODES, key=lambda error: error.__name__)


class ScriptedServicer(edge_pb2_grpc.EdgeServiceServicer):
    """Answers once, then does what the test says."""

    def __init__(self) -> None:
        self.act: Callable[[], Any] = lambda: None
        self.left = asyncio.Event()

    async def GetNode(self, request: Any, context: Any) -> edge_pb2.GetNodeResponse:  # noqa: N802
        try:
            await self._do()
        finally:
            self.left.set()
        return edge_pb2.GetNodeResponse(model="lite")

    async def GetDraft(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[edge_pb2.GetDraftResponse]:
        try:
            yield edge_pb2.GetDraftResponse(chunk=common_pb2.Chunk(data=b"1"))
            await self._do()
        finally:
            self.left.set()

    async def _do(self) -> None:
        result = self.act()
        if asyncio.iscoroutine(result):
            await result


@asynccontextmanager
async def served(
    servicer: ScriptedServicer, **more: Any
) -> AsyncIterator[tuple[grpc.aio.Channel, Any]]:
    server, port = await start_server(
        "127.0.0.1:0",
        lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(servicer, s),
        [SERVICE],
        **more,
    )
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield channel, edge_pb2_grpc.EdgeServiceStub(channel)
    await server.stop(None)


async def call(stub: Any, method: str, capped: bool = True, **more: Any) -> int:
    """Calls; returns how many answers came."""
    options = call_options(method, **more) if capped else {}
    with translated("edge"):
        if method == UNARY:
            await stub.GetNode(edge_pb2.GetNodeRequest(), **options)
            return 1
        answers = stub.GetDraft(edge_pb2.GetDraftRequest(), **options)
        try:
            return len([answer async for answer in answers])
        finally:
            answers.cancel()  # an abandoned stream is not cancelled by itself


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_the_client_raises_the_very_error_the_server_raised(method: str) -> None:
    servicer = ScriptedServicer()
    async with served(servicer) as (_, stub):
        for kind in ERRORS:
            servicer.act = raising(kind("what is wrong; \u00e4ndere es"))
            with pytest.raises(UnderpaintError) as raised:
                await call(stub, method)
            assert type(raised.value) is kind
            assert str(raised.value) == "what is wrong; \u00e4ndere es"


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_an_unforeseen_error_tells_the_caller_nothing_of_the_inside(method: str) -> None:
    servicer = ScriptedServicer()
    servicer.act = raising(RuntimeError("secret path"))
    async with served(servicer) as (_, stub):
        with pytest.raises(EngineFailed) as raised:
            await call(stub, method)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_a_server_holds_a_call_to_the_cap_though_the_caller_set_none(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    servicer = ScriptedServicer()
    servicer.act = asyncio.Event().wait
    monkeypatch.setitem(deadlines.DEADLINES, method, 0.05)
    async with served(servicer) as (_, stub):
        with pytest.raises(DeadlineExceeded):
            await call(stub, method, capped=False)
        await servicer.left.wait()


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_a_callers_shorter_deadline_counts(method: str) -> None:
    servicer = ScriptedServicer()
    servicer.act = asyncio.Event().wait
    async with served(servicer) as (_, stub):
        with pytest.raises(DeadlineExceeded):
            await call(stub, method, timeout_s=0.05)
        await servicer.left.wait()


def test_no_caller_gets_more_than_the_cap() -> None:
    assert call_options(UNARY)["timeout"] == deadlines.DEADLINES[UNARY]
    assert call_options(UNARY, timeout_s=1e9)["timeout"] == deadlines.DEADLINES[UNARY]
    assert call_options(UNARY, timeout_s=1)["timeout"] == 1


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_a_cancelled_call_leaves_the_servicer(method: str) -> None:
    servicer = ScriptedServicer()
    entered = asyncio.Event()

    async def wait() -> None:
        entered.set()
        await asyncio.Event().wait()

    servicer.act = wait
    async with served(servicer) as (_, stub):
        calling = asyncio.create_task(call(stub, method))
        await entered.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await servicer.left.wait()


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_only_the_right_token_opens(method: str) -> None:
    servicer = ScriptedServicer()
    async with served(servicer, token="right") as (_, stub):
        assert await call(stub, method, token="right") == 1
        servicer.left.clear()
        for token in ("", "wrong", "righ", "right "):
            with pytest.raises(Unauthenticated):
                await call(stub, method, token=token)
        assert not servicer.left.is_set()


def test_a_token_that_is_no_text_is_a_wrong_one() -> None:
    assert check_token("right", b"Bearer right") is None
    for wrong in (b"Bearer \xff", b"", "Bearer ríght", None):
        assert isinstance(check_token("right", wrong), Unauthenticated)


def test_a_token_file_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert read_token(None) == ""
    path.write_text(" secret\n")
    assert read_token(path) == "secret"
    for content in (b"", b" \n", b"\xff\xfe\x00"):
        path.write_bytes(content)
        with pytest.raises(InvalidRequest, match="token file"):
            read_token(path)
    with pytest.raises(InvalidRequest, match="token file"):
        read_token(tmp_path / "none")


async def test_a_port_in_use_is_named() -> None:
    servicer = ScriptedServicer()
    server, port = await start_server("127.0.0.1:0", lambda _: None, [])
    with pytest.raises(InvalidRequest, match=str(port)):
        await start_server(
            f"127.0.0.1:{port}",
            lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(servicer, s),
            [SERVICE],
        )
    await server.stop(None)


async def test_a_stopped_service_is_out_of_reach() -> None:
    server, port = await start_server("127.0.0.1:0", lambda _: None, [])
    await server.stop(None)
    async with open_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(ServiceUnreachable, match="is it running"):
            await call(edge_pb2_grpc.EdgeServiceStub(channel), UNARY)


async def test_backpressure_without_a_name_is_busy_and_not_broke() -> None:
    class Refusing(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            async def refuse(_: Any, context: Any) -> None:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "backpressure")

            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.aio.server(interceptors=[Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(errors.EngineBusy):
            await call(edge_pb2_grpc.EdgeServiceStub(channel), UNARY)
    await server.stop(None)


async def test_health_tells_whether_a_server_is_ready() -> None:
    readiness = Readiness()
    states = health_pb2.HealthCheckResponse
    async with served(ScriptedServicer(), readiness=readiness, token="t") as (channel, _):
        health = health_pb2_grpc.HealthStub(channel)
        for serving, state in ((False, states.NOT_SERVING), (True, states.SERVING)):
            await readiness.set(serving)
            for service in ("", SERVICE):
                request = health_pb2.HealthCheckRequest(service=service)
                assert (await health.Check(request)).status == state
    async with served(ScriptedServicer()) as (channel, _):
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == states.SERVING


async def test_a_refusal_reaches_a_caller_who_is_still_sending() -> None:
    class Refusing(orchestrator_pb2_grpc.OrchestratorServiceServicer):
        async def Promote(self, requests: Any, context: Any) -> Any:  # noqa: N802
            async for _ in requests:
                raise BudgetExceeded("the budget is spent")

    async def parts() -> AsyncIterator[orchestrator_pb2.PromoteRequest]:
        for _ in range(8):
            chunk = common_pb2.Chunk(data=b"x" * 20_000)
            yield orchestrator_pb2.PromoteRequest(chunk=chunk)

    def register(server: grpc.aio.Server) -> None:
        orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(Refusing(), server)

    server, port = await start_server("127.0.0.1:0", register, [])
    channel = open_channel(f"127.0.0.1:{port}")
    stub: Any = orchestrator_pb2_grpc.OrchestratorServiceStub(channel)
    try:
        for _ in range(300):
            with pytest.raises(BudgetExceeded), translated("orchestrator"):
                await stub.Promote(parts(), timeout=20)
    finally:
        await channel.close()
        await server.stop(0)


PROXIES = ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy")


@pytest.mark.parametrize("name", PROXIES)
async def test_loopback_is_reached_whatever_proxy_is_set(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody listens there
    for silent in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(silent, raising=False)
    async with served(ScriptedServicer()) as (_, stub):
        assert await call(stub, UNARY) == 1


async def test_a_proxy_on_the_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://ana:secret@127.0.0.1:1")
    connection: Connection[Any] = Connection(
        "the edge at 192.0.2.7:50051", "192.0.2.7:50051", edge_pb2_grpc.EdgeServiceStub
    )
    with pytest.raises(ServiceUnreachable) as raised, connection.translated():
        await connection.stub.GetNode(edge_pb2.GetNodeRequest(), timeout=20)
    assert str(raised.value) == (
        "the edge at 192.0.2.7:50051 is out of reach: nothing listens there, and it was called "
        "through the proxy http://127.0.0.1:1 that http_proxy names; add 192.0.2.7 to no_proxy "
        "to call it directly"
    )
    await connection.close()
