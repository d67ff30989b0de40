"""The use cases of a policy: keep its text, explain a promotion by it, replay another one."""

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

PAGE: Final = 100  # reading 200 from Redis holds the loop for 30 ms


class History(Protocol):
    """The promotions that a policy is explained by and replayed on."""

    async def get(self, promotion_id: str) -> Promotion:
        """One promotion. Raises PromotionNotFound."""

    async def page(self, size: int, token: str) -> Page:
        """Newest first, from a token of the page before or "" on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyService:
    """What they need."""

    history: History
    artifacts: Artifacts
    policies: InForce
    prices: pricing.PriceTable
    isolation: Isolation = field(default_factory=Isolation)

    @property
    def status(self) -> PolicyStatus:
        """What is in force, and what is wrong with what is not."""
        return self.policies.status

    async def check(self, text: str) -> PolicyCheck:
        """What is wrong with a policy, by the prices and roles here.

        Raises:
            InvalidRequest: it took too much memory or time.
            EngineBusy: others try policies.
        """
        force = self.policies
        return await self.isolation.run(jobs.checked, text, force.priced, force.roles)

    async def close(self) -> None:
        """Ends what is being read."""
        await self.isolation.close()

    async def keep(self, policy: Policy) -> None:
        """Keeps a policy's text under its version, so that its promotions can be explained."""
        text = policy.text.encode()
        try:
            await self.artifacts.put(text, Digest.of(text, "application/yaml"))
        except ServiceUnreachable as error:
            log.warning("policy %s is not kept: %s", policy.version[:12], error)

    async def explain(self, promotion_id: str) -> Explanation:
        """Each rule of the policy that quoted a promotion, and what it saw.

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
        """What another policy would have done with promotions since a time.

        Args:
            text: of the other policy.
            since: aware.
            reached: whether whoever asks may know of a promotion.

        Raises:
            InvalidRequest: names what is wrong with the policy, or it took too much memory
                or time.
            EngineBusy: others try policies.
        """
        if since > datetime.now(UTC):
            raise InvalidRequest("since is in the future; give a time before now")
        token = ""
        async with self.isolation.process() as process:
            await process.call(jobs.begin_replay, text, dict(self.prices.engines))
            while True:
                page = await self.history.page(PAGE, token)
                # By when each began: one that was approved late still stands where it began.
                begun = [
                    each for each in page.promotions if each.created_at >= since and reached(each)
                ]
                await process.call(jobs.add_to_replay, begun)
                oldest = page.promotions[-1].created_at if page.promotions else since
                if oldest < since or not page.next_token:
                    return await process.call(jobs.replay_result)
                token = page.next_token

    async def _explained(self, quote: Quote) -> tuple[ExplainedRule, ...]:
        """The rules of the policy that quoted; what it said alone, if its text is lost."""
        current, version = self.policies.current, quote.policy_version
        if version == current.version:
            return explain(quote, current.rules)
        try:
            text, _ = await self.artifacts.get(version)
        except (ArtifactNotFound, ServiceUnreachable):
            return explain(quote, ())
        try:
            return await self.isolation.run(jobs.explained, text.decode(), quote)
        except InvalidRequest as error:  # it was sound by what was allowed at its time
            log.warning("policy %s is no policy any more: %s", version[:12], error)
            return explain(quote, ())
