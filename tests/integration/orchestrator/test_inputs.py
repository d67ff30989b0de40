"""What goes beside a draft, on the whole path: a mask, a control map, references, a strength."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from PIL import Image
from redis import Redis
from underpaint.contract.edges import edge_map
from underpaint.contract.errors import (
    ArtifactNotFound,
    EngineFailed,
    InvalidRequest,
    PolicyRefused,
    PromotionConflict,
)
from underpaint.contract.generation import LoraUse
from underpaint.contract.inputs import MAX_MAP_BYTES
from underpaint.contract.pictures import MAX_BYTES, Digest, encode_png
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.settings import Settings
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.conftest import free_port
from tests.integration.orchestrator.stub_cloud import StubCloud, picture_of
from tests.integration.orchestrator.tenants import serving
from tests.unit.contract.outside import padded_png
from tests.unit.orchestrator.samples import DRAFT, GENERATION

MASK = encode_png(Image.new("RGB", (128, 96), "white"))
EDGES = edge_map(DRAFT)
REFERENCES = (picture_of(64, 64), picture_of(96, 64, "JPEG"))
OTHERS = (MASK, EDGES, *REFERENCES)
DIGESTS: dict[str, Any] = {
    "mask": Digest.of(MASK),
    "control": Digest.of(EDGES),
    "control_kind": "edges",
    "references": (Digest.of(REFERENCES[0]), Digest.of(REFERENCES[1], "image/jpeg")),
}


async def test_all_of_it_reaches_the_engine_and_the_lineage(
    client: Client, cloud: StubCloud, settings: Settings
) -> None:
    sent = request(**DIGESTS)
    await client.promote("promotion-1", sent, DRAFT, *OTHERS)
    promotion = await client.finished("promotion-1")
    assert promotion.state is PromotionState.SETTLED
    (call,) = cloud.calls
    assert (call.init_image, call.mask, call.control, *call.references) == (DRAFT, *OTHERS)
    assert call.control_kind == "edges"
    assert promotion.lineage
    assert promotion.lineage.mask_sha256 == call.mask_digest.sha256 == Digest.of(MASK).sha256
    assert promotion.lineage.control_sha256 == Digest.of(EDGES).sha256
    assert promotion.lineage.reference_sha256s == tuple(
        Digest.of(each).sha256 for each in REFERENCES
    )
    for each in OTHERS:
        assert await client.artifact("promotion-1", Digest.of(each).sha256) == each
    with Redis.from_url(settings.redis_url) as redis:
        (key,) = redis.keys("*:promotion:*promotion-1")
        # An orchestrator of the version before leaves it to one that knows of masks.
        assert redis.hget(key, "schema") == b"3"


async def test_a_promotion_without_any_is_still_one_that_the_version_before_can_run(
    client: Client, settings: Settings
) -> None:
    await client.promote("promotion-1")
    with Redis.from_url(settings.redis_url) as redis:
        (key,) = redis.keys("*:promotion:*promotion-1")
        assert redis.hget(key, "schema") == b"2"


@pytest.mark.parametrize(
    ("pictures", "told"),
    [
        ((picture_of(64, 64),), "the mask is 64 x 64, the draft 128 x 96; paint it on the draft"),
        ((encode_png(Image.new("RGB", (128, 96))),), "the mask is black everywhere"),
        ((b"no picture",), "mask: the picture is corrupt"),
    ],
)
async def test_a_mask_that_does_not_fit_is_refused_before_anything_is_reserved(
    client: Client, pictures: tuple[bytes, ...], told: str
) -> None:
    sent = request(mask=Digest.of(pictures[0]))
    with pytest.raises(InvalidRequest, match=told):
        await client.promote("promotion-1", sent, DRAFT, *pictures)
    assert all(reserved == 0 for reserved, _ in (await client.budgets()).values())


async def test_a_reference_that_is_no_picture_is_refused_and_named(client: Client) -> None:
    given = (REFERENCES[0], b"no picture")
    sent = request(references=tuple(map(Digest.of, given)))
    with pytest.raises(InvalidRequest, match="reference 2: the picture is corrupt"):
        await client.promote("promotion-1", sent, DRAFT, *given)


async def test_a_control_map_of_another_shape_is_refused(client: Client) -> None:
    lines = picture_of(64, 256)
    sent = request(control=Digest.of(lines), control_kind="edges")
    with pytest.raises(InvalidRequest, match="the control map is 64 x 256, the draft 128 x 96"):
        await client.promote("promotion-1", sent, DRAFT, lines)


async def test_bytes_that_differ_from_what_was_announced_are_named(client: Client) -> None:
    sent = request(**DIGESTS)
    with pytest.raises(InvalidRequest, match="control: the bytes differ"):
        await client.promote("promotion-1", sent, DRAFT, MASK, bytes(len(EDGES)), *REFERENCES)
    with pytest.raises(InvalidRequest, match="reference 2: 0 of"):
        await client.promote("promotion-1", sent, DRAFT, *OTHERS[:-1])


async def test_the_same_id_with_another_mask_is_a_conflict(client: Client) -> None:
    sent = request(**DIGESTS)
    first = await client.promote("promotion-1", sent, DRAFT, *OTHERS)
    assert (await client.promote("promotion-1", sent, DRAFT, *OTHERS, quote_id="")).id == first.id
    with pytest.raises(PromotionConflict):
        await client.promote("promotion-1", request(), DRAFT, quote_id="")


async def test_a_retry_takes_the_same_pictures(client: Client, cloud: StubCloud) -> None:
    cloud.script = [InvalidRequest("not today")]
    await client.promote("promotion-1", request(**DIGESTS), DRAFT, *OTHERS)
    assert (await client.finished("promotion-1")).dead
    quote = await client.quote_retry("promotion-1")
    again = await client.retry("promotion-1", quote.id)
    assert (await client.finished(again.id)).state is PromotionState.SETTLED
    call = cloud.calls[-1]
    assert (call.init_image, call.mask, call.control, *call.references) == (DRAFT, *OTHERS)


async def test_the_largest_that_is_allowed_reaches_the_engine(
    client: Client, cloud: StubCloud
) -> None:
    """13 MiB: more than gRPC's own limit for a message."""
    draft = padded_png(DRAFT, MAX_BYTES)
    others = (
        padded_png(MASK, MAX_MAP_BYTES),
        padded_png(EDGES, MAX_MAP_BYTES),
        padded_png(REFERENCES[0], MAX_BYTES),
        padded_png(REFERENCES[0], MAX_BYTES - 1),
        padded_png(REFERENCES[0], 2 * 2**20),
    )
    sent = request(
        init_image=Digest.of(draft),
        mask=Digest.of(others[0]),
        control=Digest.of(others[1]),
        control_kind="edges",
        references=tuple(map(Digest.of, others[2:])),
    )
    await client.promote("promotion-1", sent, draft, *others)
    assert (await client.finished("promotion-1")).state is PromotionState.SETTLED
    assert tuple(cloud.calls[0].references) == others[2:]


async def test_what_an_engine_does_not_take_is_refused_with_the_quote(
    client: Client, cloud: StubCloud
) -> None:
    cloud.told = {"family": "flux", "takes": ["strength", "references"], "strength": 0.6}
    told = r"engine full \(flux\) takes no mask; it takes strength, references"
    with pytest.raises(InvalidRequest, match=told):
        await client.quote(request(mask=Digest.of(MASK)))
    loras = replace(GENERATION, loras=(LoraUse(name="ink"),))
    with pytest.raises(InvalidRequest, match="has no LoRA ink; it has none"):
        await client.quote(request(request=loras))
    plain = await client.quote(request(request=replace(GENERATION, negative_prompt="blur")))
    assert plain.warnings[-1] == (
        "engine full (flux) leaves the negative prompt out, because it cannot use it"
    )


async def test_a_strength_that_is_left_open_is_quoted_with_its_reason(
    client: Client, cloud: StubCloud
) -> None:
    cloud.told = {"strength": 0.5}
    sent = request(auto_strength=True, prompt_moved=0.5)
    sent.request.ClearField("strength")
    quote = await client.quote(sent)
    assert quote.request.strength == 0.7
    assert quote.strength_reason == (
        "strength 0.7: the prompt changed by 50% since the draft (0.5 is the engine's own)"
    )
    promoted = await client.promote("promotion-1", sent, quote_id=quote.id)
    assert promoted.promotion.request.strength == 0.7
    again = await client.promote("promotion-1", sent, quote_id="")
    assert again.promotion == promoted.promotion
    await client.finished("promotion-1")
    assert cloud.calls[0].request.strength == 0.7
    sent.request.strength = 0.3  # the artist's number wins
    sent.auto_strength = False
    own = await client.quote(sent)
    assert (own.request.strength, own.strength_reason) == (0.3, "")


async def test_steps_and_guidance_left_open_are_the_models_own_and_not_the_price_tables(
    client: Client, cloud: StubCloud
) -> None:
    cloud.told = {"num_inference_steps": 4, "guidance_scale": 0.0, "strength": 0.6}
    sent = request()
    sent.request.num_inference_steps, sent.request.guidance_scale = 0, 0.0
    quote = await client.quote(sent)
    assert (quote.request.num_inference_steps, quote.request.guidance_scale) == (4, 0.0)
    await client.promote("promotion-1", sent, quote_id=quote.id)
    await client.finished("promotion-1")
    assert cloud.calls[0].request.num_inference_steps == 4
    sent.request.num_inference_steps, sent.request.guidance_scale = 6, 2.0
    asked = await client.quote(sent)
    assert (asked.request.num_inference_steps, asked.request.guidance_scale) == (6, 2.0)


async def test_an_engine_that_says_nothing_is_asked_as_before(
    client: Client, cloud: StubCloud
) -> None:
    cloud.script = [EngineFailed("no"), InvalidRequest("the model stub takes no mask")]
    await client.promote("promotion-1", request(mask=Digest.of(MASK)), DRAFT, MASK)
    dead = await client.finished("promotion-1")
    assert dead.reason == "the model stub takes no mask"
    sent = request(auto_strength=True)
    sent.request.ClearField("strength")
    assert (await client.quote(sent)).request.strength == 0.6


POLICY = """\
rules:
  - name: no-masks-in-bulk
    when: request.mask && request.priority == "batch"
    refuse: masks are drawn by hand
  - name: no-depth
    when: request.control == "depth" || request.references > 1
    refuse: only edges, and one reference
  - name: no-gold
    when: '"gold" in request.loras || request.scheduler == "heun" || request.clip_skip > 2'
    refuse: not in this house
  - name: polish
    route: full
"""


async def test_a_policy_sees_all_of_it(settings: Settings, tmp_path: Any, cloud: StubCloud) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    own = settings.model_copy(
        update={"policy": tmp_path / "policy.yaml", "listen": f"127.0.0.1:{free_port()}"}
    )
    batch = pb.PRIORITY_BATCH
    edges = {"control": Digest.of(EDGES), "control_kind": "edges"}
    async with serving(own, "") as clients:
        client = clients[""]
        for sent, told in (
            (request(mask=Digest.of(MASK)), ""),
            (request(mask=Digest.of(MASK)), "drawn by hand"),
            (request(**edges), ""),
            (request(**edges | {"control_kind": "depth"}), "only edges"),
            (request(references=DIGESTS["references"]), "only edges"),
            (request(request=replace(GENERATION, loras=(LoraUse(name="gold"),))), "this house"),
            (request(request=replace(GENERATION, scheduler="heun")), "this house"),
            (request(request=replace(GENERATION, clip_skip=3)), "this house"),
        ):
            if told == "drawn by hand":
                sent.priority = batch
            if told:
                with pytest.raises(PolicyRefused, match=told):
                    await client.quote(sent)
            else:
                await client.quote(sent)


async def test_nobody_reads_a_picture_that_the_promotion_does_not_take(client: Client) -> None:
    await client.promote("promotion-1", request(mask=Digest.of(MASK)), DRAFT, MASK)
    await client.promote("promotion-2")
    with pytest.raises(ArtifactNotFound):
        await client.artifact("promotion-2", Digest.of(MASK).sha256)
