"""The longest time each RPC may take, in seconds. Clients use it by default; servers enforce it."""

from __future__ import annotations

from typing import Final

DEADLINES: Final[dict[str, float]] = {
    "/underpaint.v1.EdgeService/MakeDrafts": 600,
    "/underpaint.v1.EdgeService/GetDraft": 30,
    "/underpaint.v1.EdgeService/ListDrafts": 30,
    "/underpaint.v1.EdgeService/DeleteDraft": 30,
    "/underpaint.v1.EdgeService/GetNode": 30,
    "/underpaint.v1.EdgeService/KeepPromotion": 30,
    "/underpaint.v1.EdgeService/ListOutbox": 30,
    "/underpaint.v1.EdgeService/SendOutbox": 120,
    "/underpaint.v1.EdgeService/DropOutbox": 120,
    "/underpaint.v1.OrchestratorService/Quote": 30,
    "/underpaint.v1.OrchestratorService/Promote": 120,
    "/underpaint.v1.OrchestratorService/Watch": 3_600,
    "/underpaint.v1.OrchestratorService/Cancel": 30,
    "/underpaint.v1.OrchestratorService/GetPromotion": 30,
    "/underpaint.v1.OrchestratorService/ListPromotions": 30,
    "/underpaint.v1.OrchestratorService/GetArtifact": 120,
    "/underpaint.v1.OrchestratorService/SetBudget": 30,
    "/underpaint.v1.OrchestratorService/ListBudgets": 30,
    "/underpaint.v1.OrchestratorService/GetSpend": 60,
    "/underpaint.v1.OrchestratorService/VerifyLedger": 300,
    "/underpaint.v1.OrchestratorService/ThawLedger": 300,
    "/underpaint.v1.OrchestratorService/ReadLedger": 600,
    "/underpaint.v1.OrchestratorService/ApprovePromotion": 30,
    "/underpaint.v1.OrchestratorService/DenyPromotion": 30,
    "/underpaint.v1.OrchestratorService/GetPolicy": 30,
    "/underpaint.v1.OrchestratorService/CheckPolicy": 30,
    "/underpaint.v1.OrchestratorService/ExplainPromotion": 30,
    "/underpaint.v1.OrchestratorService/ReplayPolicy": 300,
    "/underpaint.v1.OrchestratorService/QuoteRetry": 30,
    "/underpaint.v1.OrchestratorService/RetryPromotion": 120,
    "/underpaint.v1.CloudService/Generate": 1_800,
    "/underpaint.v1.CloudService/ListEngines": 30,
}
