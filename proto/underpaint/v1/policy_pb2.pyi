import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from underpaint.v1 import promotion_pb2 as _promotion_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PolicyProblem(_message.Message):
    __slots__ = ("line", "told")
    LINE_FIELD_NUMBER: _ClassVar[int]
    TOLD_FIELD_NUMBER: _ClassVar[int]
    line: int
    told: str
    def __init__(self, line: _Optional[int] = ..., told: _Optional[str] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("version", "text", "since", "file", "problems")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    version: str
    text: str
    since: _timestamp_pb2.Timestamp
    file: str
    problems: _containers.RepeatedCompositeFieldContainer[PolicyProblem]
    def __init__(self, version: _Optional[str] = ..., text: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., file: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[PolicyProblem, _Mapping]]] = ...) -> None: ...

class CheckPolicyRequest(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class CheckPolicyResponse(_message.Message):
    __slots__ = ("version", "problems", "rules")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    version: str
    problems: _containers.RepeatedCompositeFieldContainer[PolicyProblem]
    rules: int
    def __init__(self, version: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[PolicyProblem, _Mapping]]] = ..., rules: _Optional[int] = ...) -> None: ...

class ExplainPromotionRequest(_message.Message):
    __slots__ = ("promotion_id",)
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    def __init__(self, promotion_id: _Optional[str] = ...) -> None: ...

class ExplainedRule(_message.Message):
    __slots__ = ("verdict", "reached", "line", "when", "outcome")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    verdict: _promotion_pb2.RuleVerdict
    reached: bool
    line: int
    when: str
    outcome: str
    def __init__(self, verdict: _Optional[_Union[_promotion_pb2.RuleVerdict, _Mapping]] = ..., reached: _Optional[bool] = ..., line: _Optional[int] = ..., when: _Optional[str] = ..., outcome: _Optional[str] = ...) -> None: ...

class ExplainPromotionResponse(_message.Message):
    __slots__ = ("promotion", "rules", "in_force")
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    promotion: _promotion_pb2.Promotion
    rules: _containers.RepeatedCompositeFieldContainer[ExplainedRule]
    in_force: bool
    def __init__(self, promotion: _Optional[_Union[_promotion_pb2.Promotion, _Mapping]] = ..., rules: _Optional[_Iterable[_Union[ExplainedRule, _Mapping]]] = ..., in_force: _Optional[bool] = ...) -> None: ...

class ReplayPolicyRequest(_message.Message):
    __slots__ = ("text", "since")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, text: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReplayLine(_message.Message):
    __slots__ = ("outcome", "before", "after")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    before: int
    after: int
    def __init__(self, outcome: _Optional[str] = ..., before: _Optional[int] = ..., after: _Optional[int] = ...) -> None: ...

class ReplayChange(_message.Message):
    __slots__ = ("promotion_id", "before", "after", "reason", "before_usd_micros", "after_usd_micros")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BEFORE_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    AFTER_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    before: str
    after: str
    reason: str
    before_usd_micros: int
    after_usd_micros: int
    def __init__(self, promotion_id: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., reason: _Optional[str] = ..., before_usd_micros: _Optional[int] = ..., after_usd_micros: _Optional[int] = ...) -> None: ...

class ReplayPolicyResponse(_message.Message):
    __slots__ = ("version", "lines", "before_usd_micros", "after_usd_micros", "changes", "changed")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    BEFORE_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    AFTER_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    version: str
    lines: _containers.RepeatedCompositeFieldContainer[ReplayLine]
    before_usd_micros: int
    after_usd_micros: int
    changes: _containers.RepeatedCompositeFieldContainer[ReplayChange]
    changed: int
    def __init__(self, version: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[ReplayLine, _Mapping]]] = ..., before_usd_micros: _Optional[int] = ..., after_usd_micros: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[ReplayChange, _Mapping]]] = ..., changed: _Optional[int] = ...) -> None: ...
