"""The use cases of policies: check one, explain a promotion, replay stored promotions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from underpaint.contract.errors import ArtifactNotFound, InvalidRequest, ServiceUnreachable
from underpaint.contract.pictures import Digest
from underpaint.contract.policy import (
    ExplainedRule,
    Explanation,
    PolicyCheck,
    PolicyStatus,
    Replay,
)
from underpaint.contract.promotion import Page, Promotion, Quote
from underpaint.orchestrator import pricing
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.policy import InForce, Policy, jobs
from underpaint.orchestrator.policy.explaining import explain
from underpaint.orchestrator.policy.isolation import Isolation

log = logging.getLogger(__name__)

PAGE: Final = 100  # promotions; reading 200 from Redis would block the event loop for 30 ms


class History(Protocol):
    """The stored promotions, as far as this service reads them."""

    async def get(self, promotion_id: str) -> Promotion:
        """Reads one promotion. Raises PromotionNotFound."""

    async def page(self, size: int, token: str) -> Page:
        """One page of promotions, newest first; `token` is "" or that of the page before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyService:
    """Checks, stores, explains and replays policies."""

    history: History
    artifacts: Artifacts
    policies: InForce
    prices: pricing.PriceTable
    isolation: Isolation = field(default_factory=Isolation)

    @property
    def status(self) -> PolicyStatus:
        """The policy in force, and the errors of a newer file that could not be loaded."""
        return self.policies.status

    async def check(self, text: str) -> PolicyCheck:
        """Checks a policy against the prices and roles of this orchestrator.

        Raises:
            InvalidRequest: the check took too much memory or time.
            EngineBusy: too many policies are being checked or replayed.
        """
        force = self.policies
        return await self.isolation.run(jobs.checked, text, force.priced, force.roles)

    async def close(self) -> None:
        """Ends all running checks and replays."""
        await self.isolation.close()

    async def keep(self, policy: Policy) -> None:
        """Stores a policy's text under its version, so that its promotions can be explained."""
        text = policy.text.encode()
        try:
            await self.artifacts.put(text, Digest.of(text, "application/yaml"))
        except ServiceUnreachable as error:
            log.warning("policy %s could not be stored: %s", policy.version[:12], error)

    async def explain(self, promotion_id: str) -> Explanation:
        """Lists each rule of the policy that decided about a promotion, and what it saw.

        Raises:
            PromotionNotFound: no such promotion.
        """
        promotion = await self.history.get(promotion_id)
        return Explanation(
            promotion=promotion,
            rules=await self._explained(promotion.quote),
            in_force=promotion.quote.policy_version == self.policies.current.version,
        )

    async def replay(
        self, text: str, since: datetime, *, reached: Callable[[Promotion], bool]
    ) -> Replay:
        """What another policy would have decided about promotions made since a time.

        Args:
            text: the other policy, YAML.
            since: a time with a time zone.
            reached: whether the caller may see a promotion; others are left out.

        Raises:
            InvalidRequest: the policy has errors, or took too much memory or time.
            EngineBusy: too many policies are being checked or replayed.
        """
        if since > datetime.now(UTC):
            raise InvalidRequest("since is in the future; give a time before now")
        token = ""
        async with self.isolation.process() as process:
            await process.call(jobs.begin_replay, text, dict(self.prices.engines))
            while True:
                page = await self.history.page(PAGE, token)
                # Pages are in order of creation, and so is this filter, whatever changed later.
                begun = [
                    each for each in page.promotions if each.created_at >= since and reached(each)
                ]
                await process.call(jobs.add_to_replay, begun)
                oldest = page.promotions[-1].created_at if page.promotions else since
                if oldest < since or not page.next_token:
                    return await process.call(jobs.replay_result)
                token = page.next_token

    async def _explained(self, quote: Quote) -> tuple[ExplainedRule, ...]:
        """The rules of the policy of a quote; only their verdicts, if its text is lost."""
        current, version = self.policies.current, quote.policy_version
        if version == current.version:
            return explain(quote, current.rules)
        try:
            text, _ = await self.artifacts.get(version)
        except (ArtifactNotFound, ServiceUnreachable):
            return explain(quote, ())
        try:
            return await self.isolation.run(jobs.explained, text.decode(), quote)
        except InvalidRequest as error:  # an older version may have accepted what this one does not
            log.warning("policy %s can no longer be read: %s", version[:12], error)
            return explain(quote, ())
