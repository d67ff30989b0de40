"""A picture that is not delivered: free, or charged where the policy says so, and told as such."""

from __future__ import annotations

from dataclasses import replace

import pytest
from underpaint.contract.promotion import Promotion, PromotionState, Withheld
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.store import NO_PICTURE, Outcome, Overcharge

from tests.conformance.implementations import Store
from tests.conformance.steps import balance, promote, take_one
from tests.unit.orchestrator.samples import OUTCOME

WHY = "the safety checker of the model x flagged the picture"
FLAGGED = replace(OUTCOME, digest=NO_PICTURE, withheld=Withheld.FLAGGED, reason=WHY, warnings=())


async def charge(store: Store, outcome: Outcome = FLAGGED) -> Promotion:
    await promote(store, "flagged-001", 100)
    lease = await take_one(store)
    await store.record(lease, outcome)
    return await store.settle(lease, 40, 360)


async def dead(store: Store) -> list[str]:
    return [each.id for each in (await store.dead(50, "")).promotions]


@pytest.mark.parametrize("why", [Withheld.FLAGGED, Withheld.UNUSABLE])
async def test_a_withheld_picture_is_free_dead_and_told(wealthy: Store, why: Withheld) -> None:
    await promote(wealthy, "flagged-001", 100)
    ended = await wealthy.release(await take_one(wealthy), WHY, dead=True, withheld=why)
    assert (ended.state, ended.withheld, ended.dead) == (PromotionState.RELEASED, why, True)
    assert (ended.reason, ended.receipt, ended.artifact) == (WHY, None, None)
    assert await wealthy.get("flagged-001") == ended
    assert await dead(wealthy) == ["flagged-001"]
    assert await balance(wealthy) == (0, 0)


async def test_a_flagged_picture_that_is_charged_has_a_receipt_and_no_picture(
    wealthy: Store, auditor: Auditor
) -> None:
    ended = await charge(wealthy)
    assert (ended.state, ended.withheld) == (PromotionState.SETTLED, Withheld.FLAGGED)
    assert (ended.dead, ended.artifact, ended.lineage) == (True, None, None)
    assert ended.reason == f"{WHY}; $0.00004 is charged"
    assert ended.receipt
    assert (ended.receipt.charged_usd_micros, ended.receipt.gpu_seconds) == (40, 2.5)
    assert await wealthy.get("flagged-001") == ended
    assert (await wealthy.events("flagged-001", "", 99))[-1].message == ended.reason
    assert await dead(wealthy) == ["flagged-001"]
    assert await balance(wealthy) == (0, 40)
    assert (await auditor.verify()).mismatches == ()
    assert [(each.cell[2], each.charged_usd_micros) for each in await wealthy.spend("")] == [
        ("stub", 40)
    ]


async def test_a_flagged_picture_is_never_charged_above_its_reservation(wealthy: Store) -> None:
    await promote(wealthy, "flagged-001", 100)
    lease = await take_one(wealthy)
    await wealthy.record(lease, FLAGGED)
    with pytest.raises(Overcharge):
        await wealthy.settle(lease, 101, 360)
    assert await balance(wealthy) == (100, 0)


async def test_what_was_flagged_is_settled_by_the_next_worker(wealthy: Store) -> None:
    await promote(wealthy, "flagged-001", 100)
    lease = await take_one(wealthy)
    await wealthy.record(lease, FLAGGED)
    await wealthy.retry(lease, 0, "its worker stops", counts=False)
    again = await take_one(wealthy)
    assert again.outcome == FLAGGED
    assert (await wealthy.settle(again, 40, 360)).withheld is Withheld.FLAGGED


async def test_what_was_cancelled_meanwhile_is_not_dead(wealthy: Store) -> None:
    await promote(wealthy, "flagged-001", 100)
    lease = await take_one(wealthy)
    await wealthy.cancel("flagged-001")
    ended = await wealthy.release(lease, WHY, dead=True, withheld=Withheld.FLAGGED)
    assert (ended.dead, ended.withheld) == (False, Withheld.FLAGGED)
    assert await dead(wealthy) == []


async def test_the_archive_keeps_why_a_picture_was_withheld(
    wealthy: Store, artifacts: Artifacts
) -> None:
    before = await charge(wealthy)
    await Archivist(store=wealthy, archive=Archive(artifacts), kept_s=0).archive_all()
    assert await wealthy.get("flagged-001") == before
    assert await dead(wealthy) == ["flagged-001"]
