"""One suite of promises for each seam of the orchestrator, run on whatever implements it.

The seams are `LedgerStore`, `ArchiveStore` and `PromotionStore`, which one store implements,
and `Approvals`, which works on the records of a store. What they promise is in the files
beside this one, each named after what it is about and each test after its promise.

A new implementation joins by one entry in `IMPLEMENTATIONS`:

1. Write a subclass of its store with a clock that tests can turn, and ways to damage it: the
   methods that `Store` adds to `PromotionStore`. `redis.py` and `memory.py` have the two that
   there are. No test sleeps: time passes only when a test turns the clock.
2. Add an `Implementation` that names its classes and opens an empty store at a `Place`.
3. Say what it can do besides (`Capability`). A promise that needs something special is marked
   `@pytest.mark.needs(...)` and is asked only of those who can; every other promise is asked
   of everybody, and there is no way to skip one.
4. Run `pytest tests/conformance`. At its end `test_seams.py` fails if a method of a seam was
   not called on some implementation: so a method that is added to a seam needs a promise.

Two seams outside the stores have a list of their own in the file with their promises:
`test_artifacts.py` (places for artifacts) and `test_upscalers.py`.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.promotions.store import PromotionStore
from underpaint.orchestrator.storage.memory.approvals import MemoryApprovals
from underpaint.orchestrator.storage.memory.store import MemoryStore
from underpaint.orchestrator.storage.redis.approvals import RedisApprovals
from underpaint.orchestrator.storage.redis.store import RedisStore

from tests.conformance.memory import ClockedMemory
from tests.conformance.redis import ClockedRedis

LEASE_S: Final = 3_600.0
NEVER_LAPSES_S: Final = 10.0**8
_numbers = itertools.count()


class Store(PromotionStore, Protocol):
    """A store whose time and faults are in the hands of a test."""

    async def turn(self, seconds: int) -> None:
        """Sets the clock, in seconds since 1970; leases and quotes age by what has passed."""

    async def today(self) -> str:
        """The day in UTC, as the store thinks."""

    async def damage(self, scope: str, window: str, *, reserved: int = 0, spent: int = 0) -> None:
        """Adds to a balance, with no entry that says why."""

    async def lose(self, number: int) -> None:
        """Removes an entry."""

    async def forget(self, day: str) -> None:
        """Forgets that a day is closed."""


class Capability(StrEnum):
    """What not every store can do."""

    SHARED = "several processes may open it, and see and hear of each other's work"
    STOPS_AT_AN_IMBALANCE = "it freezes rather than resolve what its balances do not hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a store is: the same place is the same store, if it is shared."""

    redis_url: str
    archive: Archive | None = None
    lease_s: float = LEASE_S
    name: str = field(default_factory=lambda: f"{{test-{secrets.token_hex(4)}-{next(_numbers)}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """One way to keep everything."""

    name: str
    store: type[PromotionStore]
    approvals: type[Any]  # made of a store; keeps `Approvals`
    begin: Callable[[Place], Any]  # a Store, to be opened
    can: frozenset[Capability] = frozenset()


IMPLEMENTATIONS: Final = (
    Implementation(
        name="memory",
        store=MemoryStore,
        approvals=MemoryApprovals,
        begin=lambda place: ClockedMemory(lease_s=place.lease_s, archive=place.archive),
    ),
    Implementation(
        name="redis",
        store=RedisStore,
        approvals=RedisApprovals,
        begin=lambda place: ClockedRedis(
            place.redis_url, lease_s=place.lease_s, archive=place.archive, root=place.name
        ),
        can=frozenset({Capability.SHARED, Capability.STOPS_AT_AN_IMBALANCE}),
    ),
)
