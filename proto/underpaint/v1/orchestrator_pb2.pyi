from underpaint.v1 import ledger_pb2 as _ledger_pb2
from underpaint.v1 import policy_pb2 as _policy_pb2
from underpaint.v1 import promotion_pb2 as _promotion_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar
from underpaint.v1.ledger_pb2 import Budget as Budget
from underpaint.v1.ledger_pb2 import SetBudgetRequest as SetBudgetRequest
from underpaint.v1.ledger_pb2 import SetBudgetResponse as SetBudgetResponse
from underpaint.v1.ledger_pb2 import ListBudgetsRequest as ListBudgetsRequest
from underpaint.v1.ledger_pb2 import ListBudgetsResponse as ListBudgetsResponse
from underpaint.v1.ledger_pb2 import GetSpendRequest as GetSpendRequest
from underpaint.v1.ledger_pb2 import SpendLine as SpendLine
from underpaint.v1.ledger_pb2 import GetSpendResponse as GetSpendResponse
from underpaint.v1.ledger_pb2 import LedgerEntry as LedgerEntry
from underpaint.v1.ledger_pb2 import VerifyLedgerRequest as VerifyLedgerRequest
from underpaint.v1.ledger_pb2 import VerifyLedgerResponse as VerifyLedgerResponse
from underpaint.v1.ledger_pb2 import ThawLedgerRequest as ThawLedgerRequest
from underpaint.v1.ledger_pb2 import ThawLedgerResponse as ThawLedgerResponse
from underpaint.v1.ledger_pb2 import ReadLedgerRequest as ReadLedgerRequest
from underpaint.v1.ledger_pb2 import ReadLedgerResponse as ReadLedgerResponse
from underpaint.v1.ledger_pb2 import BudgetPeriod as BudgetPeriod
from underpaint.v1.policy_pb2 import PolicyProblem as PolicyProblem
from underpaint.v1.policy_pb2 import GetPolicyRequest as GetPolicyRequest
from underpaint.v1.policy_pb2 import GetPolicyResponse as GetPolicyResponse
from underpaint.v1.policy_pb2 import CheckPolicyRequest as CheckPolicyRequest
from underpaint.v1.policy_pb2 import CheckPolicyResponse as CheckPolicyResponse
from underpaint.v1.policy_pb2 import ExplainPromotionRequest as ExplainPromotionRequest
from underpaint.v1.policy_pb2 import ExplainedRule as ExplainedRule
from underpaint.v1.policy_pb2 import ExplainPromotionResponse as ExplainPromotionResponse
from underpaint.v1.policy_pb2 import ReplayPolicyRequest as ReplayPolicyRequest
from underpaint.v1.policy_pb2 import ReplayLine as ReplayLine
from underpaint.v1.policy_pb2 import ReplayChange as ReplayChange
from underpaint.v1.policy_pb2 import ReplayPolicyResponse as ReplayPolicyResponse
from underpaint.v1.promotion_pb2 import Account as Account
from underpaint.v1.promotion_pb2 import PromotionRequest as PromotionRequest
from underpaint.v1.promotion_pb2 import RuleVerdict as RuleVerdict
from underpaint.v1.promotion_pb2 import Approval as Approval
from underpaint.v1.promotion_pb2 import Quote as Quote
from underpaint.v1.promotion_pb2 import QuoteLine as QuoteLine
from underpaint.v1.promotion_pb2 import QuoteRequest as QuoteRequest
from underpaint.v1.promotion_pb2 import QuoteResponse as QuoteResponse
from underpaint.v1.promotion_pb2 import PromoteHead as PromoteHead
from underpaint.v1.promotion_pb2 import PromoteRequest as PromoteRequest
from underpaint.v1.promotion_pb2 import PromoteResponse as PromoteResponse
from underpaint.v1.promotion_pb2 import Lineage as Lineage
from underpaint.v1.promotion_pb2 import Receipt as Receipt
from underpaint.v1.promotion_pb2 import Promotion as Promotion
from underpaint.v1.promotion_pb2 import WatchRequest as WatchRequest
from underpaint.v1.promotion_pb2 import PromotionEvent as PromotionEvent
from underpaint.v1.promotion_pb2 import WatchResponse as WatchResponse
from underpaint.v1.promotion_pb2 import CancelRequest as CancelRequest
from underpaint.v1.promotion_pb2 import CancelResponse as CancelResponse
from underpaint.v1.promotion_pb2 import GetPromotionRequest as GetPromotionRequest
from underpaint.v1.promotion_pb2 import GetPromotionResponse as GetPromotionResponse
from underpaint.v1.promotion_pb2 import ListPromotionsRequest as ListPromotionsRequest
from underpaint.v1.promotion_pb2 import ListPromotionsResponse as ListPromotionsResponse
from underpaint.v1.promotion_pb2 import GetArtifactRequest as GetArtifactRequest
from underpaint.v1.promotion_pb2 import GetArtifactResponse as GetArtifactResponse
from underpaint.v1.promotion_pb2 import ApprovePromotionRequest as ApprovePromotionRequest
from underpaint.v1.promotion_pb2 import ApprovePromotionResponse as ApprovePromotionResponse
from underpaint.v1.promotion_pb2 import DenyPromotionRequest as DenyPromotionRequest
from underpaint.v1.promotion_pb2 import DenyPromotionResponse as DenyPromotionResponse
from underpaint.v1.promotion_pb2 import QuoteRetryRequest as QuoteRetryRequest
from underpaint.v1.promotion_pb2 import QuoteRetryResponse as QuoteRetryResponse
from underpaint.v1.promotion_pb2 import RetryPromotionRequest as RetryPromotionRequest
from underpaint.v1.promotion_pb2 import RetryPromotionResponse as RetryPromotionResponse
from underpaint.v1.promotion_pb2 import Priority as Priority
from underpaint.v1.promotion_pb2 import PromotionState as PromotionState
from underpaint.v1.promotion_pb2 import Withheld as Withheld

DESCRIPTOR: _descriptor.FileDescriptor
BUDGET_PERIOD_UNSPECIFIED: _ledger_pb2.BudgetPeriod
BUDGET_PERIOD_DAY: _ledger_pb2.BudgetPeriod
BUDGET_PERIOD_MONTH: _ledger_pb2.BudgetPeriod
BUDGET_PERIOD_CAMPAIGN: _ledger_pb2.BudgetPeriod
PRIORITY_UNSPECIFIED: _promotion_pb2.Priority
PRIORITY_INTERACTIVE: _promotion_pb2.Priority
PRIORITY_BATCH: _promotion_pb2.Priority
PROMOTION_STATE_UNSPECIFIED: _promotion_pb2.PromotionState
PROMOTION_STATE_RESERVED: _promotion_pb2.PromotionState
PROMOTION_STATE_RUNNING: _promotion_pb2.PromotionState
PROMOTION_STATE_SETTLED: _promotion_pb2.PromotionState
PROMOTION_STATE_RELEASED: _promotion_pb2.PromotionState
PROMOTION_STATE_EXPIRED: _promotion_pb2.PromotionState
PROMOTION_STATE_WAITING: _promotion_pb2.PromotionState
WITHHELD_UNSPECIFIED: _promotion_pb2.Withheld
WITHHELD_FLAGGED: _promotion_pb2.Withheld
WITHHELD_UNUSABLE: _promotion_pb2.Withheld
