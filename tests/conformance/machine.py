"""Random but repeatable steps of a store and of a small plain model that must agree with it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from underpaint.contract.accounting import Period
from underpaint.contract.errors import BudgetExceeded, LedgerFrozen, PromotionConflict
from underpaint.contract.promotion import Account
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.ledger.store import CAMPAIGN
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.store import Lease, LeaseLost, Overcharge

from tests.conformance.implementations import NEVER_LAPSES_S, Implementation, Place, Store
from tests.conformance.model import Limit, Model, Promoted
from tests.conformance.steps import promote, whole
from tests.unit.orchestrator.samples import OUTCOME

T = TypeVar("T")

ACCOUNTS = [Account(user=user, project=project) for user in "ab" for project in "xy"]
SCOPES = sorted({scope for account in ACCOUNTS for scope in account.scopes})
DAYS = ["", "2026-11-26", "2026-11-27", "2026-11-28", "2026-12-01"]
KIND_OF = {"settled": "settle", "released": "release", "expired": "expire"}


class LedgerMachine(RuleBasedStateMachine):
    """Every step tells store and model the same, and compares what they answer."""

    implementation: Implementation
    redis_url: str
    steps: int
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.mkdtemp()
        self.model = Model()
        self.stale: list[Lease] = []
        self.mine: Counter[str] = Counter()
        self.checkpointed_at = 0
        self.ceilings: dict[tuple[str, Period], tuple[Any, Any, int]] = {}
        artifacts = Artifacts(self.directory)
        self.store: Store = self.implementation.begin(
            Place(redis_url=self.redis_url, archive=Archive(artifacts), lease_s=NEVER_LAPSES_S)
        )
        self.auditor = Auditor(store=self.store, artifacts=artifacts)
        self.archivist = Archivist(store=self.store, archive=Archive(artifacts), kept_s=86_400)
        self.wait(self.store.turn(self.model.now))
        self.wait(self.store.open())

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        try:
            self.every_reservation_was_resolved_once()
        finally:
            self.wait(self.store.close())
            self.loop.close()
            shutil.rmtree(self.directory)

    def did(self, what: str) -> None:
        self.seen[what] += 1
        self.mine[what] += 1

    @initialize(sum_=st.sampled_from([200, 5_000]))
    def begin_with_a_limit(self, sum_: int) -> None:
        """Without one, nothing could be reserved."""
        self.limit("organisation:default", Period.MONTH, (sum_, False, "", ""))

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """One rule for all: Hypothesis leaves whole rules out of an example, and then no
        promotion would come far."""
        running = [each for each in self.model.promotions.values() if each.state == "running"]
        waiting = [each for each in self.model.promotions.values() if each.state == "reserved"]
        possible = ["reserve"] * 3 + ["set limit", "set limit", "lift limit", "turn the clock"]
        possible += ["take"] * 3 * bool(waiting) + ["work"] * 4 * bool(running)
        possible += ["replay", "cancel"] * bool(self.model.promotions)
        possible += ["a stale worker"] * bool(self.stale) + ["expire"] * bool(self.due())
        possible += ["checkpoint"] * (sum(self.mine.values()) > self.checkpointed_at)
        possible += ["archive"] * (len(waiting) + len(running) < len(self.model.promotions))
        possible += ["thaw"] * 3 if self.model.frozen else ["freeze"] * (len(waiting) > 2)
        action = data.draw(st.sampled_from(possible), label="action")
        getattr(self, action.replace(" ", "_"))(data)

    # Limits and time

    def set_limit(self, data: st.DataObject) -> None:
        scope, period = data.draw(st.sampled_from(SCOPES)), data.draw(st.sampled_from(Period))
        days = sorted(data.draw(st.tuples(*[st.sampled_from(DAYS)] * 2)))
        if period is not Period.CAMPAIGN or data.draw(st.booleans()):
            days = ["", ""]
        elif "" in days and data.draw(st.booleans()):
            days.reverse()  # from a day on
        sum_, soft = data.draw(st.sampled_from([0, 100, 500, 5_000])), data.draw(st.booleans())
        self.limit(scope, period, (sum_, soft, days[0], days[1]))

    def limit(self, scope: str, period: Period, limit: Limit) -> None:
        self.model.limits[scope, period] = limit
        budget = self.wait(
            self.store.set_budget(
                scope,
                limit[0],
                period=period,
                soft=limit[1],
                from_day=limit[2],
                until_day=limit[3],
            )
        )
        used = (budget.reserved_usd_micros, budget.spent_usd_micros)
        assert used == self.model.used(scope, *self.model.window(period, limit))

    def lift_limit(self, data: st.DataObject) -> None:
        limited = sorted(self.model.limits, key=str) or [("team:default/default", Period.DAY)]
        scope, period = data.draw(st.sampled_from(limited))
        self.model.limits.pop((scope, period), None)
        self.wait(self.store.remove_budget(scope, period))

    def turn_the_clock(self, data: st.DataObject) -> None:
        self.model.now += 3_600 * data.draw(st.sampled_from([1, 12, 24, 24, 24 * 9]))
        self.wait(self.store.turn(self.model.now))

    # Promotions

    def reserve(self, data: st.DataObject) -> None:
        account = data.draw(st.sampled_from(ACCOUNTS))
        cost = data.draw(st.sampled_from([1, 40, 100, 150]))
        days = data.draw(st.sampled_from([1, 2, 300]))
        promotion_id = f"promotion-{len(self.model.promotions)}-{self.model.now}"
        made = Promoted(
            account=account,
            cost=cost,
            day=self.model.today,
            expires_at=self.model.now + days * 86_400,
        )
        asked = promote(self.store, promotion_id, cost, account, days * 86_400)
        if self.model.frozen:
            with pytest.raises(LedgerFrozen):
                self.wait(asked)
            self.did("frozen")
        elif not self.model.admits(account, cost):
            with pytest.raises(BudgetExceeded):
                self.wait(asked)
            self.did("refused")
        else:
            promotion = self.wait(asked)
            self.model.promotions[promotion_id] = made
            over = [
                scope
                for scope, period, limit in self.model.holding(account)
                if sum(self.model.used(scope, *self.model.window(period, limit))) > limit[0]
            ]
            # Sorted: the model knows no order of scopes. All of them are soft, or it had refused.
            assert sorted(text.split()[0] for text in promotion.warnings) == sorted(over)
            self.did("reserved, over a soft limit" if over else "reserved")

    def replay(self, data: st.DataObject) -> None:
        promotion_id, known = self.any_promotion(data)
        if data.draw(st.booleans()):
            stranger = Account(organisation="stranger")
            with pytest.raises(PromotionConflict):
                self.wait(promote(self.store, promotion_id, known.cost, stranger))
            self.did("conflict")
        else:
            again = self.wait(promote(self.store, promotion_id, known.cost, known.account))
            assert again.state.value == known.state
            self.did("replayed")

    def take(self, data: st.DataObject) -> None:
        most = data.draw(st.integers(1, 3))
        waiting = [each for each in self.model.promotions.values() if each.state == "reserved"]
        leases = self.wait(self.store.take("machine", most))
        assert len(leases) == min(most, len(waiting))
        for lease in leases:
            known = self.model.promotions[lease.promotion.id]
            assert known.state == "reserved"
            known.state, known.lease = "running", lease
            self.wait(self.store.record(lease, OUTCOME))

    def work(self, data: st.DataObject) -> None:
        running = [each for each in self.model.promotions.values() if each.lease]
        known = running[data.draw(st.integers(0, len(running) - 1))]
        lease = known.lease
        assert lease
        what = data.draw(st.sampled_from(["settle", "settle", "overcharge", "release", "retry"]))
        if what == "settle":
            charged = known.cost * data.draw(st.sampled_from([0, 1, 50, 100])) // 100
            self.wait(self.store.settle(lease, charged, 9 * charged))
            self.ended(known, "settled", charged)
        elif what == "overcharge":
            for charged in (-1, known.cost + 1, 2**53 - 1):
                with pytest.raises(Overcharge):
                    self.wait(self.store.settle(lease, charged, 0))
            self.did("overcharge")
        elif what == "release":
            self.wait(self.store.release(lease, "the machine says so"))
            self.ended(known, "released")
        else:
            counts = data.draw(st.booleans())
            self.wait(self.store.retry(lease, 0, "again", counts=counts))
            self.stale.append(lease)
            self.did("retried")
            if known.cancelled:
                self.ended(known, "released")
            else:
                known.state, known.lease = "reserved", None

    def cancel(self, data: st.DataObject) -> None:
        promotion_id, known = self.any_promotion(data)
        self.wait(self.store.cancel(promotion_id))
        if known.state == "reserved":
            self.ended(known, "released")
        elif known.state == "running":
            known.cancelled = True

    def a_stale_worker(self, data: st.DataObject) -> None:
        lease = self.stale[data.draw(st.integers(0, len(self.stale) - 1))]
        settles = data.draw(st.booleans())
        late = self.store.settle(lease, 1, 9) if settles else self.store.release(lease, "late")
        with pytest.raises(LeaseLost):
            self.wait(late)
        self.did("stale")

    def expire(self, data: st.DataObject) -> None:
        due = self.due()
        assert self.wait(self.store.expire_due(1_000)) == len(due)
        assert self.wait(self.store.expire_due(1_000)) == 0
        for known in due:
            self.ended(known, "expired")

    # The ledger

    def checkpoint(self, data: st.DataObject) -> None:
        before = self.wait(whole(self.store)).closed
        assert self.wait(self.auditor.checkpoint()).mismatches == ()
        if self.wait(whole(self.store)).closed != before:
            self.did("closed days")
        assert len(self.wait(self.store.entries("", 9))) == 1
        self.did("checkpoint")
        self.checkpointed_at = sum(self.mine.values())

    def archive(self, data: st.DataObject) -> None:
        gone = self.wait(self.archivist.archive_all())
        assert gone <= sum(not each.reserved for each in self.model.promotions.values())
        if gone:
            self.did("archived")
        made = self.wait(self.store.page(1_000, "")).promotions
        assert [each.id for each in reversed(made)] == list(self.model.promotions)
        for each in made:
            known = self.model.promotions[each.id]
            assert each.state.value == known.state
            assert known.charged == (each.receipt.charged_usd_micros if each.receipt else 0)

    def freeze(self, data: st.DataObject) -> None:
        self.wait(self.store.freeze("the machine says so"))
        self.model.frozen = True

    def thaw(self, data: st.DataObject) -> None:
        rebuild = data.draw(st.booleans())
        assert self.wait(self.auditor.thaw("it was a test", rebuild=rebuild))
        self.model.frozen = False

    @invariant()
    def the_fold_is_the_balances_and_both_are_the_model(self) -> None:
        type(self).steps += 1
        found = self.wait(self.auditor.verify())
        assert found.mismatches == ()
        kept = self.wait(whole(self.store))
        for (scope, window), amounts in kept.amounts.items():
            assert min(amounts) >= 0
            if window == CAMPAIGN:
                first, last = kept.campaigns[scope]
            else:
                first, last = window, f"{window}~"  # whatever begins like this
            assert amounts == self.model.used(scope, first, last if window else "")
        assert sum(cell.charged_usd_micros for cell in kept.spend) == sum(
            each.charged for each in self.model.promotions.values()
        )
        assert kept.open.keys() == {
            name for name, each in self.model.promotions.items() if each.reserved
        }

    @invariant()
    def no_hard_limit_is_exceeded(self) -> None:
        """Unless it was set below what was gone; and then nothing more is admitted."""
        for budget in self.wait(self.store.budgets()):
            limit = self.model.limits[budget.scope, budget.period]
            used = self.model.used(budget.scope, *self.model.window(budget.period, limit))
            assert (budget.reserved_usd_micros, budget.spent_usd_micros) == used
            ceiling = self.ceilings.setdefault((budget.scope, budget.period), (limit, "", 0))
            window = self.model.window(budget.period, limit)
            if ceiling[:2] != (limit, window):
                ceiling = (limit, window, max(limit[0], sum(used)))
                self.ceilings[budget.scope, budget.period] = ceiling
            assert budget.soft or sum(used) <= ceiling[2]

    def any_promotion(self, data: st.DataObject) -> tuple[str, Promoted]:
        promotion_id = data.draw(st.sampled_from(sorted(self.model.promotions)))
        return promotion_id, self.model.promotions[promotion_id]

    def due(self) -> list[Promoted]:
        everything = self.model.promotions.values()
        return [each for each in everything if each.reserved and each.expires_at <= self.model.now]

    def ended(self, known: Promoted, state: str, charged: int = 0) -> None:
        if known.lease:
            self.stale.append(known.lease)
        known.state, known.charged, known.lease = state, charged, None
        self.did(state)

    def every_reservation_was_resolved_once(self) -> None:
        async def everything() -> list[tuple[str, str]]:
            return [
                (entry.promotion_id, entry.kind)
                async for batch in self.auditor.read("")
                for entry in batch
            ]

        entries = Counter(self.wait(everything()))
        for promotion_id, known in self.model.promotions.items():
            assert entries[promotion_id, "reserve"] == 1
            for state, kind in KIND_OF.items():
                assert entries[promotion_id, kind] == int(known.state == state)
