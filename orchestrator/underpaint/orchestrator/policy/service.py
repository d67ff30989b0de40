"""The use cases of a policy: keep its text, explain a promotion by it, replay another one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from underpaint.contract.errors import ArtifactNotFound, InvalidRequest, ServiceUnreachable
from underpaint.contract.pictures import Digest
from underpaint.contract.policy import Explanation, PolicyCheck, PolicyStatus, Replay
from underpaint.contract.promotion import Page, Promotion
from underpaint.orchestrator import pricing
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.policy import InForce, Policy, parse_policy
from underpaint.orchestrator.policy.explaining import explain
from underpaint.orchestrator.policy.replaying import Replayer

log = logging.getLogger(__name__)

PAGE: Final = 200


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

    @property
    def status(self) -> PolicyStatus:
        """What is in force, and what is wrong with what is not."""
        return self.policies.status

    async def check(self, text: str) -> PolicyCheck:
        """What is wrong with a policy, by the prices and roles here."""
        return await asyncio.to_thread(self.policies.check, text)

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
        version = promotion.quote.policy_version
        policy = await self._policy(version)
        return Explanation(
            promotion=promotion,
            rules=explain(promotion.quote, policy.rules if policy else ()),
            in_force=version == self.policies.current.version,
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
            InvalidRequest: names what is wrong with the policy.
        """
        policy = await asyncio.to_thread(
            parse_policy, text, Path("policy"), self.prices.engines.keys()
        )
        if since > datetime.now(UTC):
            raise InvalidRequest("since is in the future; give a time before now")
        bounds = {name: pricing.bound_of(price) for name, price in self.prices.engines.items()}
        replayer = Replayer(policy=policy, bounds=bounds)
        token = ""
        while True:
            page = await self.history.page(PAGE, token)
            # By when each began: one that was approved late still stands where it began.
            for promotion in page.promotions:
                if promotion.created_at >= since and reached(promotion):
                    replayer.add(promotion)
            oldest = page.promotions[-1].created_at if page.promotions else since
            if oldest < since or not page.next_token:
                return replayer.result()
            token = page.next_token
            await asyncio.sleep(0)  # others have their turn

    async def _policy(self, version: str) -> Policy | None:
        """The policy of a version; None if its text is lost."""
        if version == self.policies.current.version:
            return self.policies.current
        try:
            text, _ = await self.artifacts.get(version)
        except (ArtifactNotFound, ServiceUnreachable):
            return None
        # It was sound by the prices of its time; those of today say nothing of it.
        return await asyncio.to_thread(parse_policy, text.decode(), Path("policy"), None)
