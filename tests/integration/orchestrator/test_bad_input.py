"""Whatever is wrong with a call: one clear line, the right status, and nothing charged."""

from __future__ import annotations

import io
from typing import Any

import grpc
import pytest
from PIL import Image
from underpaint.contract.deadlines import DEADLINES
from underpaint.contract.errors import (
    ArtifactNotFound,
    InvalidRequest,
    PolicyRefused,
    PrivacyViolation,
    PromotionNotFound,
    QuoteExpired,
    UnderpaintError,
)
from underpaint.contract.pictures import MAX_BYTES, Digest
from underpaint.contract.promotion import PromotionState
from underpaint.contract.rim import translated
from underpaint.v1 import common_pb2
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.stub_cloud import StubCloud, picture_of
from tests.unit.orchestrator.samples import DRAFT

BAD_PROMOTIONS: list[tuple[dict[str, Any], type[UnderpaintError], str]] = [
    ({"request.prompt": ""}, InvalidRequest, "prompt is empty"),
    ({"request.prompt": "x" * 1_001}, InvalidRequest, "1001 characters"),
    ({"request.width": 1020}, InvalidRequest, "multiple of 8"),
    ({"request.height": 4096}, InvalidRequest, "height 4096"),
    ({"request.num_inference_steps": 151}, InvalidRequest, "num_inference_steps 151"),
    ({"request.guidance_scale": float("nan")}, InvalidRequest, "guidance_scale nan"),
    ({"request.strength": 0.0}, InvalidRequest, "strength 0.0"),
    ({"request.strength": 1.01}, InvalidRequest, "strength 1.01"),
    ({"request.seed": -1}, InvalidRequest, "seed -1"),
    ({"engine": "huge"}, InvalidRequest, "'huge' is unknown or has no price"),
    ({"privacy": common_pb2.PRIVACY_UNSPECIFIED}, InvalidRequest, "privacy is not specified"),
    ({"privacy": common_pb2.PRIVACY_DEVICE}, PrivacyViolation, "may not leave its device"),
    ({"privacy": common_pb2.PRIVACY_STRUCTURE}, PrivacyViolation, "structure alone"),
    ({"request.width": 2048, "request.height": 2048}, PolicyRefused, "1536 x 1536"),
    ({"init_image.sha256": "AB" * 32}, InvalidRequest, "not a SHA-256"),
    ({"init_image.size": 0}, InvalidRequest, "0 bytes"),
    ({"init_image.size": MAX_BYTES + 1}, InvalidRequest, "3,145,729 bytes"),
    ({"init_image.media_type": "image/gif"}, InvalidRequest, "'image/gif'"),
    ({"init_width": 0}, InvalidRequest, "0 x 96"),
    ({"init_width": 100_000}, InvalidRequest, "100000 x 96"),
    ({"draft_count": 10_001}, InvalidRequest, "draft_count 10001"),
    ({"draft_id": "d" * 201}, InvalidRequest, "draft_id has more"),
    ({"account.user": "a b"}, InvalidRequest, "user: name 'a b' is not valid"),
    ({"account.team": "t" * 65}, InvalidRequest, "is not valid"),
]


def changed(changes: dict[str, Any]) -> pb.PromotionRequest:
    sent = request()
    for path, value in changes.items():
        *parents, name = path.split(".")
        message: Any = sent
        for parent in parents:
            message = getattr(message, parent)
        setattr(message, name, value)
    return sent


async def test_bad_promotions_are_refused_when_quoted(client: Client) -> None:
    for changes, error, message in BAD_PROMOTIONS:
        with pytest.raises(error) as caught:
            await client.quote(changed(changes))
        assert type(caught.value) is error, changes
        assert message in str(caught.value), changes
        assert "\n" not in str(caught.value)
    no_strength = request()
    no_strength.request.ClearField("strength")
    with pytest.raises(InvalidRequest, match="needs a strength"):
        await client.quote(no_strength)


async def test_bad_pictures_are_refused_and_nothing_is_reserved(
    client: Client, cloud: StubCloud
) -> None:
    noisy = b"not a picture at all"
    wide = picture_of(130, 96)
    polyglot = DRAFT + b"PK\x03\x04"
    cases = [
        (DRAFT[:-1], Digest.of(DRAFT), "bytes came"),
        (DRAFT + b"x", Digest.of(DRAFT), "more bytes came than announced"),
        (DRAFT[:-1] + b"x", Digest.of(DRAFT), "differ from their SHA-256"),
        (noisy, Digest.of(noisy), "corrupt or of an unknown kind"),
        (DRAFT[:-30], Digest.of(DRAFT[:-30]), "corrupt|cut short"),
        (polyglot, Digest.of(polyglot), "bytes after its end"),
        (wide, Digest.of(wide), "init_image is 130 x 96, not 128 x 96"),
    ]
    for picture, digest, message in cases:
        with pytest.raises(InvalidRequest, match=message):
            await client.promote("promotion-1", request(init_image=digest), picture)
    with pytest.raises(PromotionNotFound):
        await client.get("promotion-1")
    assert await client.budgets() == {"organisation:default": (0, 0)}
    assert not cloud.calls


async def test_a_picture_has_the_size_in_which_it_is_seen(client: Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    out = io.BytesIO()
    Image.new("RGB", (96, 128), "teal").save(out, "JPEG", exif=exif)
    picture, digest = out.getvalue(), Digest.of(out.getvalue(), "image/jpeg")
    stored = request(init_image=digest, init_width=96, init_height=128)
    with pytest.raises(InvalidRequest, match="init_image is 128 x 96, not 96 x 128"):
        await client.promote("promotion-1", stored, picture)
    await client.promote("promotion-2", request(init_image=digest), picture)
    assert (await client.finished("promotion-2")).state is PromotionState.SETTLED


async def test_a_promotion_is_checked_again_when_promoted(client: Client) -> None:
    quote = await client.quote()
    for changes, error, message in BAD_PROMOTIONS:
        if error is not InvalidRequest:
            continue
        with pytest.raises((InvalidRequest, QuoteExpired)) as caught:
            await client.promote("promotion-1", changed(changes), quote_id=quote.id)
        told = str(caught.value)
        assert any(each in told for each in (message, "announced", "other content")), changes
    assert await client.budgets() == {"organisation:default": (0, 0)}


async def test_uploads_out_of_order_are_refused(client: Client) -> None:
    chunk = pb.PromoteRequest(chunk=common_pb2.Chunk(data=DRAFT))
    head = pb.PromoteRequest(head=pb.PromoteHead(promotion_id="promotion-1", promotion=request()))
    huge = pb.PromoteRequest(chunk=common_pb2.Chunk(data=b"0" * (256 * 1024 + 1)))
    for messages, message in (
        ([], "no head came"),
        ([chunk], "before the head"),
        ([head, head], "second head"),
        ([head], "0 of"),
        ([head, huge], "more bytes"),
        ([head, pb.PromoteRequest(), chunk, chunk], "more bytes"),
    ):
        with pytest.raises(InvalidRequest, match=message):
            await client.send(messages)


@pytest.mark.parametrize("promotion_id", ["", "short", "has space", "x" * 65, "a/b/c/d/e"])
async def test_ids_that_do_not_do(client: Client, promotion_id: str) -> None:
    for call in (client.get, client.cancel, client.events, client.promote):
        with pytest.raises(InvalidRequest, match="8 to 64"):
            await call(promotion_id)


async def test_what_is_unknown_is_not_found(client: Client) -> None:
    for call in (client.get, client.cancel, client.events):
        with pytest.raises(PromotionNotFound, match="no promotion promotion-9"):
            await call("promotion-9")
    with pytest.raises(PromotionNotFound):
        await client.artifact("promotion-9", "0" * 64)
    await client.promote("promotion-1")
    with pytest.raises(ArtifactNotFound, match="has no artifact 000"):
        await client.artifact("promotion-1", "0" * 64)
    assert await client.spend("project:nobody") == {}


async def test_other_bad_requests(client: Client) -> None:
    stub = client.stub
    cases: list[tuple[Any, Any, str]] = [
        (
            lambda sha256: client.artifact("promotion-1", sha256),
            "../../etc/passwd",
            "not a SHA-256",
        ),
        (lambda scope: client.set_budget(scope, 1), "projekt:x", "is not valid"),
        (lambda scope: client.set_budget(scope, 1), "project:", "is not valid"),
        (lambda limit: client.set_budget("project:x", limit), -1, "out of range"),
        (lambda limit: client.set_budget("project:x", limit), 2**53, "out of range"),
        (client.spend, "everything", "is not valid"),
        (lambda after: client.events("promotion-1", after), "0; DROP", "event id"),
        (lambda size: page(stub, page_size=size), 1_001, "above 1000"),
        (lambda token: page(stub, page_token=token), "+inf", "not valid here"),
    ]
    for call, argument, message in cases:
        with pytest.raises(InvalidRequest, match=message):
            await call(argument)


async def page(stub: Any, **fields: Any) -> pb.ListPromotionsResponse:
    with translated("orchestrator"):
        answer: pb.ListPromotionsResponse = await stub.ListPromotions(
            pb.ListPromotionsRequest(**fields), timeout=20
        )
    return answer


async def test_promotions_are_listed_newest_first(client: Client) -> None:
    for number in range(3):
        await client.promote(f"promotion-{number}")
    first = await page(client.stub, page_size=2)
    assert [promotion.id for promotion in first.promotions] == ["promotion-2", "promotion-1"]
    last = await page(client.stub, page_size=2, page_token=first.next_page_token)
    assert [promotion.id for promotion in last.promotions] == ["promotion-0"]
    assert not last.next_page_token
    for number in range(3):
        await client.finished(f"promotion-{number}")


async def test_every_rpc_has_a_deadline_and_is_served(client: Client) -> None:
    ours = [method for method in DEADLINES if ".OrchestratorService/" in method]
    methods = pb.DESCRIPTOR.services_by_name["OrchestratorService"].methods
    assert {method.rpartition("/")[2] for method in ours} == {each.name for each in methods}
    for method in ours:
        open_call: Any = client.channel.stream_stream(method)
        call = open_call(iter([b"\xff"]), timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [_ async for _ in call]
        assert caught.value.code() is not grpc.StatusCode.UNIMPLEMENTED, method
