"""Pictures that were sent are kept by promotions, and swept where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Approval
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.promotions.approvals import Approvals
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.sweeper import Sweeper

from tests.conformance.implementations import Store
from tests.conformance.steps import NOON, promote, take_one
from tests.unit.orchestrator.samples import OUTCOME, open_quote, promotion_request

PICTURE = b"a picture that nobody wants"
DIGEST = Digest.of(PICTURE)
DRAFT = promotion_request().init_image.sha256


async def test_what_no_promotion_came_to_have_is_taken_once_it_is_old(store: Store) -> None:
    assert await store.expect_picture(DIGEST.sha256, stored=False)
    await store.turn(NOON + 899)
    assert list(await store.unwanted_pictures(900, 10)) == []
    await store.turn(NOON + 900)
    assert list(await store.unwanted_pictures(900, 10)) == [DIGEST.sha256]
    assert list(await store.unwanted_pictures(900, 10)) == []
    assert not await store.expect_picture(DIGEST.sha256, stored=True)  # while it is removed
    await store.forget_picture(DIGEST.sha256)
    assert await store.expect_picture(DIGEST.sha256, stored=False)


async def test_sent_again_it_has_its_time_again(store: Store) -> None:
    await store.expect_picture(DIGEST.sha256, stored=False)
    await store.turn(NOON + 800)
    await store.expect_picture(DIGEST.sha256, stored=True)
    await store.turn(NOON + 900)
    assert list(await store.unwanted_pictures(900, 10)) == []


async def test_what_was_in_the_store_before_it_was_sent_is_somebody_s(store: Store) -> None:
    assert await store.expect_picture(DIGEST.sha256, stored=True)
    await store.turn(NOON + 10_000)
    assert list(await store.unwanted_pictures(900, 10)) == []


async def test_a_promotion_keeps_its_picture_and_a_late_call_does_not_take_it(
    funded: Store,
) -> None:
    await funded.expect_picture(DRAFT, stored=False)
    await promote(funded, "promotion-1")
    # Another call looked for it before it was there, and says so only now.
    assert await funded.expect_picture(DRAFT, stored=False)
    await funded.turn(NOON + 10_000)
    assert list(await funded.unwanted_pictures(900, 10)) == []


async def test_what_waits_for_an_approval_keeps_its_picture(
    store: Store, approvals: Approvals
) -> None:
    await store.expect_picture(DRAFT, stored=False)
    request = promotion_request()
    quote = open_quote(request, 1_000)
    await store.keep_quote(quote, 60)
    approval = Approval(role="lead", within_s=60)
    await approvals.wait("promotion-1", content_of(request), request, quote, approval)
    await store.turn(NOON + 10_000)
    assert list(await store.unwanted_pictures(900, 10)) == []


MANY = promotion_request(
    mask=Digest.of(b"mask"),
    control=Digest.of(b"control"),
    control_kind="edges",
    references=(Digest.of(b"one"), Digest.of(b"two")),
)


@pytest.mark.parametrize("waits", [False, True])
async def test_every_picture_of_a_promotion_is_kept(
    funded: Store, approvals: Approvals, waits: bool
) -> None:
    for digest in MANY.inputs.every:
        await funded.expect_picture(digest.sha256, stored=False)
    quote = open_quote(MANY, 1_000)
    await funded.keep_quote(quote, 60)
    if waits:
        approval = Approval(role="lead", within_s=60)
        await approvals.wait("promotion-1", content_of(MANY), MANY, quote, approval)
    else:
        await funded.promote("promotion-1", content_of(MANY), MANY, quote, 600)
    assert (await funded.get("promotion-1")).promotion == MANY
    await funded.turn(NOON + 10_000)
    assert list(await funded.unwanted_pictures(900, 10)) == []


async def test_the_lineage_names_every_picture(funded: Store) -> None:
    quote = open_quote(MANY, 1_000)
    await funded.keep_quote(quote, 60)
    await funded.promote("promotion-1", content_of(MANY), MANY, quote, 600)
    lease = await take_one(funded)
    await funded.record(lease, OUTCOME)
    lineage = (await funded.settle(lease, 1_000, 1_000)).lineage
    assert lineage
    named = (lineage.draft_sha256, lineage.mask_sha256, lineage.control_sha256)
    assert (*named, *lineage.reference_sha256s) == tuple(d.sha256 for d in MANY.inputs.every)
    assert lineage.control_kind == "edges"


async def test_a_result_is_never_unwanted_though_the_same_bytes_were_sent(funded: Store) -> None:
    outcome = replace(OUTCOME, digest=DIGEST)  # of other bytes than its own draft
    await promote(funded, "promotion-1")
    await funded.expect_picture(DIGEST.sha256, stored=False)
    await funded.record(await take_one(funded), outcome)
    await funded.turn(NOON + 10_000)
    assert list(await funded.unwanted_pictures(900, 10)) == []


@pytest.mark.parametrize("kept", [False, True])
async def test_the_sweeper_removes_the_bytes_of_what_was_refused(
    store: Store, artifacts: Artifacts, kept: bool
) -> None:
    await artifacts.put(PICTURE, DIGEST)
    await store.expect_picture(DIGEST.sha256, stored=kept)
    await store.turn(NOON + 1_000)
    count = await Sweeper(store=store, artifacts=artifacts).sweep()
    assert count == (0 if kept else 1)
    assert await artifacts.has(DIGEST) == kept
    assert await store.expect_picture(DIGEST.sha256, stored=kept)
