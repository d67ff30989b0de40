"""The policy in force, and the file it comes from: exchanged whole, or not at all."""

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

_Case = tuple[str, frozenset[str]]  # the digest of a text, and the roles that there are


class InForce:
    """One policy at a time. Whoever decides takes `current` once and goes on with that."""

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
            priced: names of the engines that have a price.
            roles: tells those that some caller has by now; None if that is not known.
            isolation: where a changed file is read; not shared with callers, whose policies
                would keep it waiting.

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
        self._seen = self.current.version  # digest at the last look
        self._judged = self._case(self.current.version)  # that was last taken or refused

    @property
    def roles(self) -> Collection[str] | None:
        """Those that some caller has; None if that is not known."""
        return self._roles() if self._roles else None

    @property
    def status(self) -> PolicyStatus:
        """For people."""
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
        """Looks at the file now and then, and at once when told to; never returns.

        Args:
            reload: set it to have the file taken as it is.
            keep: is given each policy that comes into force, the first one too.
            every_s: seconds between looks.
        """
        await keep(self.current)
        while True:
            await notified(reload, every_s)
            told = reload.is_set()
            reload.clear()
            if await self.look(settled=told):
                await keep(self.current)

    async def look(self, *, settled: bool) -> bool:
        """Takes what the file holds if it is new and sound; says whether it did.

        A new text is taken at its second look, so that one half written is not; a text with
        a problem leaves the policy before in force.

        Args:
            settled: whether it is known to be whole, so that one look is enough.
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
            log.error("%s is not read: %s; another look follows", self.file, error)
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
        """What is judged: a text may be wrong until somebody has a role that it names."""
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
