"""A rolling upgrade: the last release's orchestrator beside this one's, on one Redis.

And what a later version made, which this one does not know: it is kept, shown and left alone.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.pictures import Digest, encode_png
from underpaint.contract.promotion import PromotionState
from underpaint.contract.wire import digest_to_wire
from underpaint.sdk import AsyncUnderpaint
from underpaint.v1 import orchestrator_pb2 as pb

from tests.faults.house import ROOT, SMALL, House, Orchestrator, small, until
from tests.faults.releases import RELEASES, environ_of
from tests.faults.verdict import audit
from tests.unit.orchestrator.samples import DRAFT

FINISHED_S = 60
POLICY = """
rules:
  - name: dear
    when: request.strength > 0.5
    require_approval: {engine: full, role: approver, within: 4h}
  - name: all
    route: full
"""


def asking(strength: float) -> pb.PromotionRequest:
    return small(request=replace(SMALL, strength=strength))


@pytest.fixture(params=RELEASES, ids=lambda release: release.name)
async def beside(
    house: House, request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[Orchestrator, Orchestrator]:
    """The release, and this version."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    environ = environ_of(request.param, tmp_path / "release")
    flags = ("--policy", str(policy))
    former = await house.start(*flags, environ=environ)
    return former, await house.start(*flags)


def test_a_release_is_kept_to_be_run_beside() -> None:
    assert RELEASES


@pytest.mark.parametrize("quoted_by", [0, 1])
async def test_what_one_version_quoted_the_other_promotes(
    house: House, beside: tuple[Orchestrator, Orchestrator], quoted_by: int
) -> None:
    asked, other = beside[quoted_by].client, beside[1 - quoted_by].client
    sent = asking(0.4)
    quote = await asked.quote(sent)
    await other.promote("promotion-1", sent, quote_id=quote.id)
    for client in (asked, other):
        assert (await client.finished("promotion-1")).state is PromotionState.SETTLED
        assert (await client.promote("promotion-1", sent, quote_id="gone")).receipt


@pytest.mark.parametrize("promoted_at", [0, 1])
async def test_what_waits_at_one_version_the_other_approves(
    house: House, beside: tuple[Orchestrator, Orchestrator], promoted_at: int
) -> None:
    asked, other = beside[promoted_at].client, beside[1 - promoted_at].client
    waiting = await asked.promote("promotion-1", asking(0.9))
    assert waiting.state is PromotionState.WAITING
    assert (await other.approve("promotion-1")).approved_by
    assert (await asked.finished("promotion-1")).state is PromotionState.SETTLED


async def test_a_mask_is_never_left_out_by_the_version_that_knows_of_none(
    house: House, beside: tuple[Orchestrator, Orchestrator]
) -> None:
    mask = encode_png(Image.new("RGB", (128, 96), "white"))
    sent = asking(0.4)
    sent.mask.CopyFrom(digest_to_wire(Digest.of(mask)))
    for number in range(10):
        await beside[1].client.promote(f"promotion-{number:02d}", sent, DRAFT, mask)
        await beside[0].client.promote(f"promotion-{number:02d}-plain", asking(0.4))
    for number in range(10):
        finished = await beside[1].client.finished(f"promotion-{number:02d}")
        assert finished.state is PromotionState.SETTLED
        assert house.orders.wrote("masked", f"promotion-{number:02d}") == 1
    with pytest.raises(InvalidRequest, match="more bytes came than announced"):
        await beside[0].client.promote("promotion-99", sent, DRAFT, mask)


async def test_both_versions_work_and_the_money_adds_up(
    house: House, beside: tuple[Orchestrator, Orchestrator]
) -> None:
    for number in range(20):
        await beside[number % 2].client.promote(f"promotion-{number:02d}", asking(0.4))
    for number in range(20):
        finished = await beside[1 - number % 2].client.finished(f"promotion-{number:02d}")
        assert finished.state is PromotionState.SETTLED
    for each in beside:
        async with AsyncUnderpaint(orchestrator=each.client.address) as sdk:
            assert (await sdk.verify_ledger()).mismatches == ()
    sent = {f"promotion-{number:02d}" for number in range(20)}
    assert (await audit(house.url, house.data_folder, sent)).details == []


async def test_what_a_later_version_made_is_shown_and_left_to_it(house: House) -> None:
    nobody = await house.start("--concurrency", "0")
    await nobody.client.promote("promotion-1", small())
    await nobody.client.promote("promotion-2", small())
    key = f"{ROOT}:promotion:default/promotion-1"
    request = json.loads(house.store.hget(key, "request"))
    request |= {"priority": "nightly", "colour_space": "of later times"}
    house.store.hset(key, mapping={"schema": 99, "request": json.dumps(request)})
    other = f"{ROOT}:promotion:default/promotion-3"
    house.store.hset(other, mapping=house.store.hgetall(key) | {b"id": b"default/promotion-3"})
    house.store.hset(other, "state", "paused")
    number = house.store.incr(f"{ROOT}:sequence")
    for index in ("promotions", "promotions:default"):
        house.store.zadd(f"{ROOT}:{index}", {"default/promotion-3": number})

    worker = await house.start()
    # What it knows it does, behind what it does not know.
    assert (await worker.client.finished("promotion-2")).state is PromotionState.SETTLED
    left = await worker.client.get("promotion-1")
    assert (left.state, left.attempts) == (PromotionState.RESERVED, 0)
    assert (await worker.client.get("promotion-3")).state is PromotionState.UNKNOWN
    assert not (await worker.client.get("promotion-3")).state.final
    async with AsyncUnderpaint(orchestrator=worker.client.address) as sdk:
        ids = [each.id for each in await sdk.list_promotions()]
    assert ids == ["promotion-3", "promotion-2", "promotion-1"]
    kept = json.loads(house.store.hget(key, "request"))
    assert kept == request  # to the last word
    await until(
        lambda: house.store.zcard(f"{ROOT}:delayed") == 1 or house.store.keys(f"{ROOT}:queue:*"),
        "it waits for a worker that knows it",
    )


async def test_a_ledger_of_another_age_is_refused_and_nothing_is_touched(house: House) -> None:
    first = await house.start()
    await first.client.promote("promotion-1", small())
    await first.client.finished("promotion-1")
    first.kill()
    for schema, told in ((99, "a later version"), (None, "an earlier version")):
        if schema:
            house.store.set(f"{ROOT}:schema", schema)
        else:
            house.store.delete(f"{ROOT}:schema")
        before = house.store.xlen(f"{ROOT}:ledger")
        refused = house.run_orchestrator()
        await until(lambda one=refused: not one.alive, "it has ended")  # type: ignore[misc]
        assert refused.popen.returncode == 2
        assert told in refused.said
        assert "Traceback" not in refused.said
        assert house.store.xlen(f"{ROOT}:ledger") == before
