"""Domain values as JSON: the field names of the contract, verbatim."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any


def document(value: object, **more: object) -> Any:
    """A value that json can write; bytes are left out, times are ISO 8601.

    Args:
        value: a domain value, or dicts, lists and scalars of them.
        more: further fields, where the value becomes an object.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return document(fields | more)
    if isinstance(value, dict):
        return {str(k): document(v) for k, v in value.items() if not isinstance(v, bytes)}
    if isinstance(value, list | tuple):
        return [document(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value
