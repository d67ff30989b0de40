"""The waiting promotions in memory, in order of turn, as the sorted sets in Redis."""

from __future__ import annotations

import itertools
from bisect import insort
from collections.abc import Callable

from underpaint.contract.promotion import Priority, Promotion
from underpaint.orchestrator.promotions.store import BATCH_TURN

_Lane = tuple[str, Priority]  # of an engine


class Turns:
    """At each engine interactive work first, parties in turn, each party's work by number."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[_Lane, str], list[tuple[int, str]]] = {}
        self._turns: dict[_Lane, dict[str, int]] = {}  # the lowest is next
        self._engines: dict[str, int] = {}  # the lowest is next
        self._next = itertools.count(1)
        self._passed: dict[str, int] = {}  # by engine: turns that passed while batch work waited
        self._busy: dict[str, float] = {}  # until when an engine is left alone

    def put(self, promotion: Promotion, party: str, number: int, turn: int | None = None) -> None:
        """Adds a waiting promotion; one that waited before gets its old place.

        Args:
            promotion: at the engine of its quote.
            party: whose turn it takes.
            number: of the promotion.
            turn: that was of no use to it, and is its party's again.
        """
        lane = _lane_of(promotion)
        insort(self._waiting.setdefault((lane, party), []), (number, promotion.id))
        turns = self._turns.setdefault(lane, {})
        if party not in turns:
            turns[party] = next(self._next)
        if turn is not None:
            turns[party] = min(turn, turns[party])
        self._engines.setdefault(lane[0], 0)

    def remove(self, promotion: Promotion, party: str, number: int) -> None:
        """Removes a promotion, if it waits."""
        lane = _lane_of(promotion)
        waiting = self._waiting.get((lane, party), [])
        if (number, promotion.id) in waiting:
            waiting.remove((number, promotion.id))
            if not waiting:
                del self._waiting[lane, party], self._turns[lane][party]

    def leave_alone(self, engine: str, until: float) -> None:
        """Gives no work of an engine until a time."""
        self._busy[engine] = until

    def pop(self, now: float, room: Callable[[str], bool]) -> tuple[str, int] | None:
        """Takes the next promotion at an engine with room; returns its id and turn."""
        for engine in sorted(self._engines, key=lambda each: (self._engines[each], each)):
            free = room(engine) and self._busy.get(engine, now) <= now
            lane = self._lane(engine) if free else None
            if lane:
                self._engines[engine] = next(self._next)
                return self._pop(lane)
        return None

    def _lane(self, engine: str) -> _Lane | None:
        """Which priority of an engine is next; None if nothing waits there."""
        interactive, batch = ((engine, each) for each in Priority)
        if self._turns.get(interactive) and self._turns.get(batch):
            self._passed[engine] = self._passed.get(engine, 0) + 1
            if self._passed[engine] >= BATCH_TURN:
                self._passed[engine] = 0
                return batch
        return next((lane for lane in (interactive, batch) if self._turns.get(lane)), None)

    def _pop(self, lane: _Lane) -> tuple[str, int]:
        turns = self._turns[lane]
        party = min(turns, key=turns.__getitem__)
        turn = turns[party]
        waiting = self._waiting[lane, party]
        _, promotion_id = waiting.pop(0)
        turns[party] = next(self._next)  # behind all others
        if not waiting:
            del self._waiting[lane, party], turns[party]
        return promotion_id, turn


def _lane_of(promotion: Promotion) -> _Lane:
    return promotion.quote.engine, promotion.promotion.priority
