"""What waits to be taken, in this process's memory: the twin of the sorted sets in Redis."""

from __future__ import annotations

from bisect import insort

from underpaint.contract.promotion import Priority, PromotionRequest
from underpaint.orchestrator.ledger import BATCH_TURN


class Queue:
    """Promotions by priority and party: interactive first, parties in turn, each by number."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Priority, str], list[tuple[int, str]]] = {}
        # A ring in the order of insertion: the first has the next turn.
        self._turns: dict[Priority, dict[str, None]] = {each: {} for each in Priority}
        self._passed = 0  # turns that batch has let by

    def put(self, request: PromotionRequest, number: int, promotion_id: str) -> None:
        """Lets a promotion wait; one that waited before has its old place."""
        priority, party = request.priority, request.account.party
        insort(self._waiting.setdefault((priority, party), []), (number, promotion_id))
        self._turns[priority].setdefault(party)

    def remove(self, request: PromotionRequest, number: int, promotion_id: str) -> None:
        """Takes a promotion out, if it waits."""
        priority, party = request.priority, request.account.party
        waiting = self._waiting.get((priority, party), [])
        if (number, promotion_id) in waiting:
            waiting.remove((number, promotion_id))
            if not waiting:
                self._leave(priority, party)

    def pop(self) -> str | None:
        """The promotion whose turn it is."""
        interactive, batch = (self._turns[each] for each in Priority)
        priority = Priority.INTERACTIVE if interactive else Priority.BATCH
        if interactive and batch:
            self._passed += 1
            if self._passed >= BATCH_TURN:
                priority, self._passed = Priority.BATCH, 0
        party = next(iter(self._turns[priority]), None)
        if party is None:
            return None
        waiting = self._waiting[priority, party]
        _, promotion_id = waiting.pop(0)
        self._leave(priority, party)
        if waiting:  # behind all others
            self._waiting[priority, party] = waiting
            self._turns[priority][party] = None
        return promotion_id

    def _leave(self, priority: Priority, party: str) -> None:
        del self._waiting[priority, party]
        del self._turns[priority][party]
