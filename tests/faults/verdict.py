"""The verdict on the ledger after a fault: the same questions every time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from underpaint.contract.accounting import Budget, LedgerEntry, Period
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.storage.redis.store import RedisStore

from tests.faults.house import ROOT, House, queued, until

ENDINGS = ("settle", "release", "expire")


@dataclass
class Verdict:
    """All empty, if every promise was kept."""

    acknowledged: int
    ended: Counter[str] = field(default_factory=Counter)  # how many settled, and so on
    lost: list[str] = field(default_factory=list)  # acknowledged, and not ended
    twice: list[str] = field(default_factory=list)  # reserved, ended or charged twice
    breaches: list[str] = field(default_factory=list)  # of a budget, after any entry
    unfinished: list[str] = field(default_factory=list)  # leases, work and reservations left
    mismatches: list[str] = field(default_factory=list)  # entries and balances
    artifacts: list[str] = field(default_factory=list)  # paid for and not there

    @property
    def details(self) -> list[str]:
        """What is wrong, in words."""
        found = {
            "lost": self.lost,
            "twice": self.twice,
            "budget": self.breaches,
            "unfinished": self.unfinished,
            "ledger": self.mismatches,
            "artifact": self.artifacts,
        }
        return [f"{kind}: {each}" for kind, all_of in found.items() for each in all_of]


async def audit(url: str, data_dir: Path, acknowledged: Collection[str]) -> Verdict:
    """Reads the whole ledger and compares it with all that it stands for.

    Everything acknowledged should have ended before.

    Args:
        url: of the Redis itself.
        data_dir: the orchestrators', with their artifacts.
        acknowledged: ids of promotions that a client was told are promised.
    """
    artifacts = Artifacts(str(data_dir / "artifacts"))
    ledger = RedisStore(url, lease_s=1, archive=Archive(artifacts))
    await ledger.open()
    try:
        auditor = Auditor(store=ledger, artifacts=artifacts)
        verdict = Verdict(len(acknowledged))
        verdict.mismatches += (await auditor.verify()).mismatches
        entries = [entry async for batch in auditor.read("") for entry in batch]
        verdict.breaches += _breaches(entries, await ledger.budgets())
        history = defaultdict(list)
        stored = {}  # ids as they are kept, below their organisation: there is only one
        for entry in entries:
            if entry.kind in ("reserve", *ENDINGS):
                history[bare(entry.promotion_id)].append(entry)
                stored[bare(entry.promotion_id)] = entry.promotion_id
        for promotion_id in sorted(set(acknowledged) | history.keys()):
            kinds = [entry.kind for entry in history[promotion_id]]
            ended = [kind for kind in kinds if kind in ENDINGS]
            if not ended:
                verdict.lost.append(f"{promotion_id}: {kinds or 'never reserved'}")
                continue
            if kinds.count("reserve") != 1 or len(ended) != 1:
                verdict.twice.append(f"{promotion_id}: {kinds}")
            promotion = await ledger.get(stored[promotion_id])
            verdict.ended[promotion.state.value] += 1
            if (promotion.state is PromotionState.SETTLED) != (ended == ["settle"]):
                verdict.mismatches.append(f"{promotion_id} is {promotion.state}, entries: {kinds}")
            if promotion.receipt:
                charged = history[promotion_id][-1].spent_usd_micros
                if promotion.receipt.charged_usd_micros != charged:
                    verdict.mismatches.append(f"{promotion_id}: its receipt is not its entry")
                for digest in (promotion.artifact, promotion.promotion.init_image):
                    if digest is None or not await artifacts.has(digest):
                        verdict.artifacts.append(f"{promotion_id}: {digest}")
    finally:
        await ledger.close()
    verdict.unfinished += _left(url)
    return verdict


async def check_the_ledger(house: House) -> None:
    """Waits until all that was acknowledged has ended, then asks for the verdict."""
    for promotion_id in sorted(house.acknowledged):
        await house.ended(promotion_id)
    await until(lambda: not house.store.zcard(f"{ROOT}:deadlines"), "nothing is reserved")
    verdict = await audit(house.url, house.data_folder, house.acknowledged)
    assert verdict.details == []


def _breaches(entries: Collection[LedgerEntry], budgets: Collection[Budget]) -> list[str]:
    """Where reserved + spent was above a hard limit, after any single entry."""
    hard = defaultdict(list)
    for budget in budgets:
        if not budget.soft:
            hard[budget.scope].append(budget)
    found = []
    held: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        for scope in entry.scopes:
            for budget in hard[scope]:
                window = {Period.DAY: entry.day, Period.MONTH: entry.day[:7]}.get(budget.period, "")
                held[scope, window] += entry.reserved_usd_micros + entry.spent_usd_micros
                if held[scope, window] > budget.limit_usd_micros:
                    found.append(f"{scope}: {held[scope, window]} after entry {entry.number}")
    return found


def _left(url: str) -> list[str]:
    """What should be gone once everything has ended."""
    store: Any
    with Redis.from_url(url) as store:
        left = {
            "queues": len(queued(store)),
            "reservations": store.zcard(f"{ROOT}:deadlines"),
            "news": store.hlen(f"{ROOT}:news"),
        }
        if store.exists(f"{ROOT}:work"):
            left["leases"] = store.xpending(f"{ROOT}:work", "dispatchers")["pending"]
    return [f"{count} in {name}" for name, count in left.items() if count]
