"""The policy in force, reloaded from its file when that changes and has no errors."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidRequest, Unavailable
from underpaint.contract.policy import PolicyProblem, PolicyStatus
from underpaint.orchestrator.documents import read_text
from underpaint.orchestrator.notifier import notified
from underpaint.orchestrator.policy.isolation import Isolation
from underpaint.orchestrator.policy.reading import check, load
from underpaint.orchestrator.policy.rules import Policy

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0

_Case = tuple[str, frozenset[str]]  # the digest of a text, and the roles that callers have


class InForce:
    """Holds the policy in force. A decision must read `current` once and use only that."""

    def __init__(
        self,
        file: Path,
        priced: Collection[str],
        roles: Callable[[], Collection[str]] | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        """Reads the file for the first time.

        Args:
            file: YAML.
            priced: the names of the engines that have a price.
            roles: returns the roles that callers have now; None if they are not known.
            isolation: reads a changed file; separate from the one for callers' policies, so that
                it never waits for them.

        Raises:
            InvalidRequest: names every problem with its line.
        """
        self.file = file
        self.priced = frozenset(priced)
        self._roles = roles
        self._isolation = isolation or Isolation(processes=1)
        self.current: Policy = load(file, priced, self.roles)
        self.since = datetime.now(UTC)
        self.problems: tuple[PolicyProblem, ...] = ()
        self._seen = self.current.version  # digest of the file at the last look
        self._judged = self._case(self.current.version)  # the text last accepted or refused

    @property
    def roles(self) -> Collection[str] | None:
        """The roles that callers have; None if they are not known."""
        return self._roles() if self._roles else None

    @property
    def status(self) -> PolicyStatus:
        """The policy in force, and the problems of a newer text of the file."""
        return PolicyStatus(
            version=self.current.version,
            text=self.current.text,
            since=self.since,
            file=str(self.file),
            problems=self.problems,
        )

    async def watch(
        self,
        reload: asyncio.Event,
        keep: Callable[[Policy], Awaitable[None]],
        every_s: float = LOOK_S,
    ) -> None:
        """Checks the file regularly, and at once when `reload` is set; never returns.

        Args:
            reload: set it to load the file at once.
            keep: called with each policy that comes into force, including the first.
            every_s: seconds between checks.
        """
        await keep(self.current)
        while True:
            await notified(reload, every_s)
            told = reload.is_set()
            reload.clear()
            if await self.look(settled=told):
                await keep(self.current)

    async def look(self, *, settled: bool) -> bool:
        """Loads the file if it is new and has no errors; returns whether the policy changed.

        A new text must be seen twice before it is loaded, because it may be only half written. If
        it has errors, the previous policy stays in force.

        Args:
            settled: whether the file is known to be complete; then seeing it once is enough.
        """
        try:
            text = await asyncio.to_thread(read_text, self.file)
        except InvalidRequest as error:
            self._refuse(self._case(""), (PolicyProblem(line=1, told=str(error)),))
            return False
        digest = hashlib.sha256(text.encode()).hexdigest()
        seen, self._seen = self._seen, digest
        case = self._case(digest)
        if case == self._judged or not (settled or digest == seen):
            return False
        try:
            policy, problems = await self._isolation.run(
                check, text, self.file, self.priced, self.roles
            )
        except InvalidRequest as error:
            policy, problems = None, (PolicyProblem(line=1, told=str(error)),)
        except Unavailable as error:
            log.error("%s could not be read: %s; it is tried again", self.file, error)
            return False
        if policy is None:
            self._refuse(case, problems)
            return False
        changed = policy.version != self.current.version
        self.current, self.problems, self._judged = policy, (), case
        if changed:
            self.since = datetime.now(UTC)
        log.info("policy %s of %s is in force", digest[:12], self.file)
        return changed

    def _case(self, digest: str) -> _Case:
        """The text and the roles: a text may be refused until a caller has a role it names."""
        return digest, frozenset(self.roles or ())

    def _refuse(
        self, case: tuple[str, frozenset[str]], problems: tuple[PolicyProblem, ...]
    ) -> None:
        if (case, problems) == (self._judged, self.problems):
            return
        self._judged, self.problems = case, problems
        for each in problems:
            log.error("%s:%d: %s", self.file, each.line, each.told)
        log.error("policy %s stays in force", self.current.version[:12])
