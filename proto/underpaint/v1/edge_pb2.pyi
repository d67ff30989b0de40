import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from underpaint.v1 import common_pb2 as _common_pb2
from underpaint.v1 import orchestrator_pb2 as _orchestrator_pb2
from underpaint.v1 import ledger_pb2 as _ledger_pb2
from underpaint.v1 import policy_pb2 as _policy_pb2
from underpaint.v1 import promotion_pb2 as _promotion_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutboxState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTBOX_STATE_UNSPECIFIED: _ClassVar[OutboxState]
    OUTBOX_STATE_HELD: _ClassVar[OutboxState]
    OUTBOX_STATE_ASKS: _ClassVar[OutboxState]
    OUTBOX_STATE_REFUSED: _ClassVar[OutboxState]
OUTBOX_STATE_UNSPECIFIED: OutboxState
OUTBOX_STATE_HELD: OutboxState
OUTBOX_STATE_ASKS: OutboxState
OUTBOX_STATE_REFUSED: OutboxState

class Draft(_message.Message):
    __slots__ = ("id", "digest", "request", "privacy", "model", "elapsed_ms", "created_at", "warnings")
    ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    digest: _common_pb2.Digest
    request: _common_pb2.GenerationRequest
    privacy: _common_pb2.Privacy
    model: str
    elapsed_ms: int
    created_at: _timestamp_pb2.Timestamp
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., digest: _Optional[_Union[_common_pb2.Digest, _Mapping]] = ..., request: _Optional[_Union[_common_pb2.GenerationRequest, _Mapping]] = ..., privacy: _Optional[_Union[_common_pb2.Privacy, str]] = ..., model: _Optional[str] = ..., elapsed_ms: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class MakeDraftsRequest(_message.Message):
    __slots__ = ("request", "count", "privacy")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    request: _common_pb2.GenerationRequest
    count: int
    privacy: _common_pb2.Privacy
    def __init__(self, request: _Optional[_Union[_common_pb2.GenerationRequest, _Mapping]] = ..., count: _Optional[int] = ..., privacy: _Optional[_Union[_common_pb2.Privacy, str]] = ...) -> None: ...

class MakeDraftsResponse(_message.Message):
    __slots__ = ("draft", "chunk", "withheld")
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_FIELD_NUMBER: _ClassVar[int]
    draft: Draft
    chunk: _common_pb2.Chunk
    withheld: WithheldDraft
    def __init__(self, draft: _Optional[_Union[Draft, _Mapping]] = ..., chunk: _Optional[_Union[_common_pb2.Chunk, _Mapping]] = ..., withheld: _Optional[_Union[WithheldDraft, _Mapping]] = ...) -> None: ...

class WithheldDraft(_message.Message):
    __slots__ = ("seed", "reason")
    SEED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    seed: int
    reason: str
    def __init__(self, seed: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class GetDraftRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetDraftResponse(_message.Message):
    __slots__ = ("draft", "chunk")
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    draft: Draft
    chunk: _common_pb2.Chunk
    def __init__(self, draft: _Optional[_Union[Draft, _Mapping]] = ..., chunk: _Optional[_Union[_common_pb2.Chunk, _Mapping]] = ...) -> None: ...

class ListDraftsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDraftsResponse(_message.Message):
    __slots__ = ("drafts", "next_page_token")
    DRAFTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    drafts: _containers.RepeatedCompositeFieldContainer[Draft]
    next_page_token: str
    def __init__(self, drafts: _Optional[_Iterable[_Union[Draft, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteDraftRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteDraftResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetNodeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetNodeResponse(_message.Message):
    __slots__ = ("model", "width", "height", "num_inference_steps", "guidance_scale", "drafts", "draft_limit", "loras")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    NUM_INFERENCE_STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_SCALE_FIELD_NUMBER: _ClassVar[int]
    DRAFTS_FIELD_NUMBER: _ClassVar[int]
    DRAFT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    LORAS_FIELD_NUMBER: _ClassVar[int]
    model: str
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    drafts: int
    draft_limit: int
    loras: _containers.RepeatedCompositeFieldContainer[NodeLora]
    def __init__(self, model: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., num_inference_steps: _Optional[int] = ..., guidance_scale: _Optional[float] = ..., drafts: _Optional[int] = ..., draft_limit: _Optional[int] = ..., loras: _Optional[_Iterable[_Union[NodeLora, _Mapping]]] = ...) -> None: ...

class NodeLora(_message.Message):
    __slots__ = ("name", "digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class OutboxItem(_message.Message):
    __slots__ = ("promotion_id", "draft_id", "prompt", "state", "reason", "accepted_usd_micros", "quoted_usd_micros", "kept_at")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    QUOTED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    KEPT_AT_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    draft_id: str
    prompt: str
    state: OutboxState
    reason: str
    accepted_usd_micros: int
    quoted_usd_micros: int
    kept_at: _timestamp_pb2.Timestamp
    def __init__(self, promotion_id: _Optional[str] = ..., draft_id: _Optional[str] = ..., prompt: _Optional[str] = ..., state: _Optional[_Union[OutboxState, str]] = ..., reason: _Optional[str] = ..., accepted_usd_micros: _Optional[int] = ..., quoted_usd_micros: _Optional[int] = ..., kept_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class KeepPromotionRequest(_message.Message):
    __slots__ = ("promotion_id", "promotion", "accepted_usd_micros", "mask", "control", "references")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    promotion: _promotion_pb2.PromotionRequest
    accepted_usd_micros: int
    mask: bytes
    control: bytes
    references: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, promotion_id: _Optional[str] = ..., promotion: _Optional[_Union[_promotion_pb2.PromotionRequest, _Mapping]] = ..., accepted_usd_micros: _Optional[int] = ..., mask: _Optional[bytes] = ..., control: _Optional[bytes] = ..., references: _Optional[_Iterable[bytes]] = ...) -> None: ...

class KeepPromotionResponse(_message.Message):
    __slots__ = ("item",)
    ITEM_FIELD_NUMBER: _ClassVar[int]
    item: OutboxItem
    def __init__(self, item: _Optional[_Union[OutboxItem, _Mapping]] = ...) -> None: ...

class ListOutboxRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListOutboxResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[OutboxItem]
    def __init__(self, items: _Optional[_Iterable[_Union[OutboxItem, _Mapping]]] = ...) -> None: ...

class SendOutboxRequest(_message.Message):
    __slots__ = ("promotion_id", "accepted_usd_micros")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    accepted_usd_micros: int
    def __init__(self, promotion_id: _Optional[str] = ..., accepted_usd_micros: _Optional[int] = ...) -> None: ...

class SendOutboxResponse(_message.Message):
    __slots__ = ("sent", "left")
    SENT_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    sent: _containers.RepeatedCompositeFieldContainer[_promotion_pb2.Promotion]
    left: _containers.RepeatedCompositeFieldContainer[OutboxItem]
    def __init__(self, sent: _Optional[_Iterable[_Union[_promotion_pb2.Promotion, _Mapping]]] = ..., left: _Optional[_Iterable[_Union[OutboxItem, _Mapping]]] = ...) -> None: ...

class DropOutboxRequest(_message.Message):
    __slots__ = ("promotion_id",)
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    def __init__(self, promotion_id: _Optional[str] = ...) -> None: ...

class DropOutboxResponse(_message.Message):
    __slots__ = ("item",)
    ITEM_FIELD_NUMBER: _ClassVar[int]
    item: OutboxItem
    def __init__(self, item: _Optional[_Union[OutboxItem, _Mapping]] = ...) -> None: ...
