import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BudgetPeriod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUDGET_PERIOD_UNSPECIFIED: _ClassVar[BudgetPeriod]
    BUDGET_PERIOD_DAY: _ClassVar[BudgetPeriod]
    BUDGET_PERIOD_MONTH: _ClassVar[BudgetPeriod]
    BUDGET_PERIOD_CAMPAIGN: _ClassVar[BudgetPeriod]
BUDGET_PERIOD_UNSPECIFIED: BudgetPeriod
BUDGET_PERIOD_DAY: BudgetPeriod
BUDGET_PERIOD_MONTH: BudgetPeriod
BUDGET_PERIOD_CAMPAIGN: BudgetPeriod

class Budget(_message.Message):
    __slots__ = ("scope", "limit_usd_micros", "spent_usd_micros", "reserved_usd_micros", "period", "soft", "from_day", "until_day")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    SPENT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    SOFT_FIELD_NUMBER: _ClassVar[int]
    FROM_DAY_FIELD_NUMBER: _ClassVar[int]
    UNTIL_DAY_FIELD_NUMBER: _ClassVar[int]
    scope: str
    limit_usd_micros: int
    spent_usd_micros: int
    reserved_usd_micros: int
    period: BudgetPeriod
    soft: bool
    from_day: str
    until_day: str
    def __init__(self, scope: _Optional[str] = ..., limit_usd_micros: _Optional[int] = ..., spent_usd_micros: _Optional[int] = ..., reserved_usd_micros: _Optional[int] = ..., period: _Optional[_Union[BudgetPeriod, str]] = ..., soft: _Optional[bool] = ..., from_day: _Optional[str] = ..., until_day: _Optional[str] = ...) -> None: ...

class SetBudgetRequest(_message.Message):
    __slots__ = ("scope", "limit_usd_micros", "period", "soft", "from_day", "until_day", "remove")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    SOFT_FIELD_NUMBER: _ClassVar[int]
    FROM_DAY_FIELD_NUMBER: _ClassVar[int]
    UNTIL_DAY_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    scope: str
    limit_usd_micros: int
    period: BudgetPeriod
    soft: bool
    from_day: str
    until_day: str
    remove: bool
    def __init__(self, scope: _Optional[str] = ..., limit_usd_micros: _Optional[int] = ..., period: _Optional[_Union[BudgetPeriod, str]] = ..., soft: _Optional[bool] = ..., from_day: _Optional[str] = ..., until_day: _Optional[str] = ..., remove: _Optional[bool] = ...) -> None: ...

class SetBudgetResponse(_message.Message):
    __slots__ = ("budget",)
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    budget: Budget
    def __init__(self, budget: _Optional[_Union[Budget, _Mapping]] = ...) -> None: ...

class ListBudgetsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListBudgetsResponse(_message.Message):
    __slots__ = ("budgets",)
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    budgets: _containers.RepeatedCompositeFieldContainer[Budget]
    def __init__(self, budgets: _Optional[_Iterable[_Union[Budget, _Mapping]]] = ...) -> None: ...

class GetSpendRequest(_message.Message):
    __slots__ = ("scope", "by", "since_day")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    SINCE_DAY_FIELD_NUMBER: _ClassVar[int]
    scope: str
    by: _containers.RepeatedScalarFieldContainer[str]
    since_day: str
    def __init__(self, scope: _Optional[str] = ..., by: _Optional[_Iterable[str]] = ..., since_day: _Optional[str] = ...) -> None: ...

class SpendLine(_message.Message):
    __slots__ = ("scope", "promotions", "charged_usd_micros", "cloud_only_usd_micros", "key")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    CLOUD_ONLY_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    scope: str
    promotions: int
    charged_usd_micros: int
    cloud_only_usd_micros: int
    key: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scope: _Optional[str] = ..., promotions: _Optional[int] = ..., charged_usd_micros: _Optional[int] = ..., cloud_only_usd_micros: _Optional[int] = ..., key: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSpendResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[SpendLine]
    def __init__(self, lines: _Optional[_Iterable[_Union[SpendLine, _Mapping]]] = ...) -> None: ...

class LedgerEntry(_message.Message):
    __slots__ = ("id", "number", "at", "kind", "promotion_id", "scopes", "day", "reserved_usd_micros", "spent_usd_micros", "model", "cloud_only_usd_micros", "note")
    ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    RESERVED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    SPENT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CLOUD_ONLY_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    id: str
    number: int
    at: _timestamp_pb2.Timestamp
    kind: str
    promotion_id: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    day: str
    reserved_usd_micros: int
    spent_usd_micros: int
    model: str
    cloud_only_usd_micros: int
    note: str
    def __init__(self, id: _Optional[str] = ..., number: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., promotion_id: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., day: _Optional[str] = ..., reserved_usd_micros: _Optional[int] = ..., spent_usd_micros: _Optional[int] = ..., model: _Optional[str] = ..., cloud_only_usd_micros: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class VerifyLedgerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VerifyLedgerResponse(_message.Message):
    __slots__ = ("entries", "number", "checkpoint_number", "balances", "reservations", "mismatches", "frozen")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    MISMATCHES_FIELD_NUMBER: _ClassVar[int]
    FROZEN_FIELD_NUMBER: _ClassVar[int]
    entries: int
    number: int
    checkpoint_number: int
    balances: int
    reservations: int
    mismatches: _containers.RepeatedScalarFieldContainer[str]
    frozen: str
    def __init__(self, entries: _Optional[int] = ..., number: _Optional[int] = ..., checkpoint_number: _Optional[int] = ..., balances: _Optional[int] = ..., reservations: _Optional[int] = ..., mismatches: _Optional[_Iterable[str]] = ..., frozen: _Optional[str] = ...) -> None: ...

class ThawLedgerRequest(_message.Message):
    __slots__ = ("because", "rebuild")
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    REBUILD_FIELD_NUMBER: _ClassVar[int]
    because: str
    rebuild: bool
    def __init__(self, because: _Optional[str] = ..., rebuild: _Optional[bool] = ...) -> None: ...

class ThawLedgerResponse(_message.Message):
    __slots__ = ("frozen",)
    FROZEN_FIELD_NUMBER: _ClassVar[int]
    frozen: str
    def __init__(self, frozen: _Optional[str] = ...) -> None: ...

class ReadLedgerRequest(_message.Message):
    __slots__ = ("since_day",)
    SINCE_DAY_FIELD_NUMBER: _ClassVar[int]
    since_day: str
    def __init__(self, since_day: _Optional[str] = ...) -> None: ...

class ReadLedgerResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LedgerEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[LedgerEntry, _Mapping]]] = ...) -> None: ...
