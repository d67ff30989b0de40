import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from underpaint.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_INTERACTIVE: _ClassVar[Priority]
    PRIORITY_BATCH: _ClassVar[Priority]

class PromotionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMOTION_STATE_UNSPECIFIED: _ClassVar[PromotionState]
    PROMOTION_STATE_RESERVED: _ClassVar[PromotionState]
    PROMOTION_STATE_RUNNING: _ClassVar[PromotionState]
    PROMOTION_STATE_SETTLED: _ClassVar[PromotionState]
    PROMOTION_STATE_RELEASED: _ClassVar[PromotionState]
    PROMOTION_STATE_EXPIRED: _ClassVar[PromotionState]
    PROMOTION_STATE_WAITING: _ClassVar[PromotionState]

class Withheld(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WITHHELD_UNSPECIFIED: _ClassVar[Withheld]
    WITHHELD_FLAGGED: _ClassVar[Withheld]
    WITHHELD_UNUSABLE: _ClassVar[Withheld]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_INTERACTIVE: Priority
PRIORITY_BATCH: Priority
PROMOTION_STATE_UNSPECIFIED: PromotionState
PROMOTION_STATE_RESERVED: PromotionState
PROMOTION_STATE_RUNNING: PromotionState
PROMOTION_STATE_SETTLED: PromotionState
PROMOTION_STATE_RELEASED: PromotionState
PROMOTION_STATE_EXPIRED: PromotionState
PROMOTION_STATE_WAITING: PromotionState
WITHHELD_UNSPECIFIED: Withheld
WITHHELD_FLAGGED: Withheld
WITHHELD_UNUSABLE: Withheld

class Account(_message.Message):
    __slots__ = ("organisation", "team", "project", "user")
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    organisation: str
    team: str
    project: str
    user: str
    def __init__(self, organisation: _Optional[str] = ..., team: _Optional[str] = ..., project: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class PromotionRequest(_message.Message):
    __slots__ = ("request", "init_image", "init_width", "init_height", "privacy", "account", "engine", "draft_id", "draft_model", "draft_seed", "draft_count", "priority", "retry_of")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    INIT_IMAGE_FIELD_NUMBER: _ClassVar[int]
    INIT_WIDTH_FIELD_NUMBER: _ClassVar[int]
    INIT_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    DRAFT_ID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_MODEL_FIELD_NUMBER: _ClassVar[int]
    DRAFT_SEED_FIELD_NUMBER: _ClassVar[int]
    DRAFT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    request: _common_pb2.GenerationRequest
    init_image: _common_pb2.Digest
    init_width: int
    init_height: int
    privacy: _common_pb2.Privacy
    account: Account
    engine: str
    draft_id: str
    draft_model: str
    draft_seed: int
    draft_count: int
    priority: Priority
    retry_of: str
    def __init__(self, request: _Optional[_Union[_common_pb2.GenerationRequest, _Mapping]] = ..., init_image: _Optional[_Union[_common_pb2.Digest, _Mapping]] = ..., init_width: _Optional[int] = ..., init_height: _Optional[int] = ..., privacy: _Optional[_Union[_common_pb2.Privacy, str]] = ..., account: _Optional[_Union[Account, _Mapping]] = ..., engine: _Optional[str] = ..., draft_id: _Optional[str] = ..., draft_model: _Optional[str] = ..., draft_seed: _Optional[int] = ..., draft_count: _Optional[int] = ..., priority: _Optional[_Union[Priority, str]] = ..., retry_of: _Optional[str] = ...) -> None: ...

class RuleVerdict(_message.Message):
    __slots__ = ("rule", "matched", "decided", "reason", "saw")
    class SawEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RULE_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SAW_FIELD_NUMBER: _ClassVar[int]
    rule: str
    matched: bool
    decided: bool
    reason: str
    saw: _containers.ScalarMap[str, str]
    def __init__(self, rule: _Optional[str] = ..., matched: _Optional[bool] = ..., decided: _Optional[bool] = ..., reason: _Optional[str] = ..., saw: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Approval(_message.Message):
    __slots__ = ("role", "within_s")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    WITHIN_S_FIELD_NUMBER: _ClassVar[int]
    role: str
    within_s: int
    def __init__(self, role: _Optional[str] = ..., within_s: _Optional[int] = ...) -> None: ...

class Quote(_message.Message):
    __slots__ = ("id", "engine", "max_usd_micros", "price_table_version", "expires_at", "verdicts", "lines", "cloud_only_usd_micros", "request", "asked", "approval", "policy_version", "facts", "priority", "charges_flagged", "warnings")
    class FactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MAX_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    PRICE_TABLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    CLOUD_ONLY_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FLAGGED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    engine: str
    max_usd_micros: int
    price_table_version: str
    expires_at: _timestamp_pb2.Timestamp
    verdicts: _containers.RepeatedCompositeFieldContainer[RuleVerdict]
    lines: _containers.RepeatedCompositeFieldContainer[QuoteLine]
    cloud_only_usd_micros: int
    request: _common_pb2.GenerationRequest
    asked: _common_pb2.GenerationRequest
    approval: Approval
    policy_version: str
    facts: _containers.ScalarMap[str, str]
    priority: Priority
    charges_flagged: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., engine: _Optional[str] = ..., max_usd_micros: _Optional[int] = ..., price_table_version: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., verdicts: _Optional[_Iterable[_Union[RuleVerdict, _Mapping]]] = ..., lines: _Optional[_Iterable[_Union[QuoteLine, _Mapping]]] = ..., cloud_only_usd_micros: _Optional[int] = ..., request: _Optional[_Union[_common_pb2.GenerationRequest, _Mapping]] = ..., asked: _Optional[_Union[_common_pb2.GenerationRequest, _Mapping]] = ..., approval: _Optional[_Union[Approval, _Mapping]] = ..., policy_version: _Optional[str] = ..., facts: _Optional[_Mapping[str, str]] = ..., priority: _Optional[_Union[Priority, str]] = ..., charges_flagged: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class QuoteLine(_message.Message):
    __slots__ = ("what", "usd_micros")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    what: str
    usd_micros: int
    def __init__(self, what: _Optional[str] = ..., usd_micros: _Optional[int] = ...) -> None: ...

class QuoteRequest(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: PromotionRequest
    def __init__(self, promotion: _Optional[_Union[PromotionRequest, _Mapping]] = ...) -> None: ...

class QuoteResponse(_message.Message):
    __slots__ = ("quote",)
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    quote: Quote
    def __init__(self, quote: _Optional[_Union[Quote, _Mapping]] = ...) -> None: ...

class PromoteHead(_message.Message):
    __slots__ = ("promotion_id", "quote_id", "promotion")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    quote_id: str
    promotion: PromotionRequest
    def __init__(self, promotion_id: _Optional[str] = ..., quote_id: _Optional[str] = ..., promotion: _Optional[_Union[PromotionRequest, _Mapping]] = ...) -> None: ...

class PromoteRequest(_message.Message):
    __slots__ = ("head", "chunk")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    head: PromoteHead
    chunk: _common_pb2.Chunk
    def __init__(self, head: _Optional[_Union[PromoteHead, _Mapping]] = ..., chunk: _Optional[_Union[_common_pb2.Chunk, _Mapping]] = ...) -> None: ...

class PromoteResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: Promotion
    def __init__(self, promotion: _Optional[_Union[Promotion, _Mapping]] = ...) -> None: ...

class Lineage(_message.Message):
    __slots__ = ("draft_sha256", "draft_id", "draft_model", "draft_seed", "engine", "model", "upscaler", "request")
    DRAFT_SHA256_FIELD_NUMBER: _ClassVar[int]
    DRAFT_ID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_MODEL_FIELD_NUMBER: _ClassVar[int]
    DRAFT_SEED_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    UPSCALER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    draft_sha256: str
    draft_id: str
    draft_model: str
    draft_seed: int
    engine: str
    model: str
    upscaler: str
    request: _common_pb2.GenerationRequest
    def __init__(self, draft_sha256: _Optional[str] = ..., draft_id: _Optional[str] = ..., draft_model: _Optional[str] = ..., draft_seed: _Optional[int] = ..., engine: _Optional[str] = ..., model: _Optional[str] = ..., upscaler: _Optional[str] = ..., request: _Optional[_Union[_common_pb2.GenerationRequest, _Mapping]] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("quoted_usd_micros", "charged_usd_micros", "cloud_only_usd_micros", "price_table_version", "gpu_seconds", "settled_at")
    QUOTED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    CLOUD_ONLY_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    PRICE_TABLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    GPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SETTLED_AT_FIELD_NUMBER: _ClassVar[int]
    quoted_usd_micros: int
    charged_usd_micros: int
    cloud_only_usd_micros: int
    price_table_version: str
    gpu_seconds: float
    settled_at: _timestamp_pb2.Timestamp
    def __init__(self, quoted_usd_micros: _Optional[int] = ..., charged_usd_micros: _Optional[int] = ..., cloud_only_usd_micros: _Optional[int] = ..., price_table_version: _Optional[str] = ..., gpu_seconds: _Optional[float] = ..., settled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Promotion(_message.Message):
    __slots__ = ("id", "state", "promotion", "quote", "created_at", "updated_at", "attempts", "reason", "artifact", "lineage", "receipt", "approved_by", "dead", "retried_as", "withheld", "warnings")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    RETRIED_AS_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: PromotionState
    promotion: PromotionRequest
    quote: Quote
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    attempts: int
    reason: str
    artifact: _common_pb2.Digest
    lineage: Lineage
    receipt: Receipt
    approved_by: str
    dead: bool
    retried_as: str
    withheld: Withheld
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[PromotionState, str]] = ..., promotion: _Optional[_Union[PromotionRequest, _Mapping]] = ..., quote: _Optional[_Union[Quote, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts: _Optional[int] = ..., reason: _Optional[str] = ..., artifact: _Optional[_Union[_common_pb2.Digest, _Mapping]] = ..., lineage: _Optional[_Union[Lineage, _Mapping]] = ..., receipt: _Optional[_Union[Receipt, _Mapping]] = ..., approved_by: _Optional[str] = ..., dead: _Optional[bool] = ..., retried_as: _Optional[str] = ..., withheld: _Optional[_Union[Withheld, str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("promotion_id", "after_event_id")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    after_event_id: str
    def __init__(self, promotion_id: _Optional[str] = ..., after_event_id: _Optional[str] = ...) -> None: ...

class PromotionEvent(_message.Message):
    __slots__ = ("id", "at", "state", "step", "steps", "preview", "message")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    at: _timestamp_pb2.Timestamp
    state: PromotionState
    step: int
    steps: int
    preview: bytes
    message: str
    def __init__(self, id: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[PromotionState, str]] = ..., step: _Optional[int] = ..., steps: _Optional[int] = ..., preview: _Optional[bytes] = ..., message: _Optional[str] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: PromotionEvent
    def __init__(self, event: _Optional[_Union[PromotionEvent, _Mapping]] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("promotion_id",)
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    def __init__(self, promotion_id: _Optional[str] = ...) -> None: ...

class CancelResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: Promotion
    def __init__(self, promotion: _Optional[_Union[Promotion, _Mapping]] = ...) -> None: ...

class GetPromotionRequest(_message.Message):
    __slots__ = ("promotion_id",)
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    def __init__(self, promotion_id: _Optional[str] = ...) -> None: ...

class GetPromotionResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: Promotion
    def __init__(self, promotion: _Optional[_Union[Promotion, _Mapping]] = ...) -> None: ...

class ListPromotionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "dead")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    dead: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., dead: _Optional[bool] = ...) -> None: ...

class ListPromotionsResponse(_message.Message):
    __slots__ = ("promotions", "next_page_token")
    PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    promotions: _containers.RepeatedCompositeFieldContainer[Promotion]
    next_page_token: str
    def __init__(self, promotions: _Optional[_Iterable[_Union[Promotion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetArtifactRequest(_message.Message):
    __slots__ = ("sha256", "promotion_id")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    promotion_id: str
    def __init__(self, sha256: _Optional[str] = ..., promotion_id: _Optional[str] = ...) -> None: ...

class GetArtifactResponse(_message.Message):
    __slots__ = ("digest", "chunk")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    digest: _common_pb2.Digest
    chunk: _common_pb2.Chunk
    def __init__(self, digest: _Optional[_Union[_common_pb2.Digest, _Mapping]] = ..., chunk: _Optional[_Union[_common_pb2.Chunk, _Mapping]] = ...) -> None: ...

class ApprovePromotionRequest(_message.Message):
    __slots__ = ("promotion_id",)
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    def __init__(self, promotion_id: _Optional[str] = ...) -> None: ...

class ApprovePromotionResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: Promotion
    def __init__(self, promotion: _Optional[_Union[Promotion, _Mapping]] = ...) -> None: ...

class DenyPromotionRequest(_message.Message):
    __slots__ = ("promotion_id", "because")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    because: str
    def __init__(self, promotion_id: _Optional[str] = ..., because: _Optional[str] = ...) -> None: ...

class DenyPromotionResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: Promotion
    def __init__(self, promotion: _Optional[_Union[Promotion, _Mapping]] = ...) -> None: ...

class QuoteRetryRequest(_message.Message):
    __slots__ = ("promotion_id",)
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    def __init__(self, promotion_id: _Optional[str] = ...) -> None: ...

class QuoteRetryResponse(_message.Message):
    __slots__ = ("quote",)
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    quote: Quote
    def __init__(self, quote: _Optional[_Union[Quote, _Mapping]] = ...) -> None: ...

class RetryPromotionRequest(_message.Message):
    __slots__ = ("promotion_id", "quote_id")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    quote_id: str
    def __init__(self, promotion_id: _Optional[str] = ..., quote_id: _Optional[str] = ...) -> None: ...

class RetryPromotionResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: Promotion
    def __init__(self, promotion: _Optional[_Union[Promotion, _Mapping]] = ...) -> None: ...
