"""The whole OrchestratorService, combined from one servicer per concern."""

from __future__ import annotations

from typing import Final

from underpaint.orchestrator.api.in_flight import InFlight
from underpaint.orchestrator.api.ledger import LedgerServicer
from underpaint.orchestrator.api.policy import PolicyServicer
from underpaint.orchestrator.api.promotions import PromotionsServicer
from underpaint.orchestrator.callers import Callers
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.policy.service import PolicyService
from underpaint.orchestrator.promotions.promoting import Promoting
from underpaint.orchestrator.promotions.quoting import Quoting

SERVICE: Final = "underpaint.v1.OrchestratorService"


class Servicer(PromotionsServicer, LedgerServicer, PolicyServicer):
    """Answers every RPC; each base class implements its own."""

    def __init__(
        self,
        *,
        quoting: Quoting,
        promoting: Promoting,
        auditor: Auditor,
        policies: PolicyService,
        callers: Callers,
        in_flight: InFlight,
    ) -> None:
        PromotionsServicer.__init__(
            self, quoting=quoting, promoting=promoting, callers=callers, in_flight=in_flight
        )
        LedgerServicer.__init__(self, ledger=promoting.store, auditor=auditor, callers=callers)
        PolicyServicer.__init__(self, policies=policies, store=promoting.store, callers=callers)
