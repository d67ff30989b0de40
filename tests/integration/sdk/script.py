"""What stubs have in common: a script of faults, a clock that stands still, pictures."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from PIL import Image
from underpaint.contract.errors import (
    UnderpaintError,
)
from underpaint.contract.pictures import encode_png
from underpaint.contract.wire import (
    Defaults,
)

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
LITE = Defaults(width=128, height=128, num_inference_steps=8, guidance_scale=3.0)
FULL = Defaults(width=1024, height=1024, num_inference_steps=28, guidance_scale=3.0, strength=0.6)


def picture(seed: int, side: int = 128) -> bytes:
    return encode_png(Image.new("RGB", (side, side), (seed * 37 % 256, seed * 91 % 256, 128)))


def telling_when_left(method: Any) -> Any:
    """Sets `left` when the caller of a stream has gone or has all of it."""

    @functools.wraps(method)
    async def told(self: Any, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for answer in method(self, request, context):
                yield answer
        finally:
            self.left.set()

    return told


@dataclass
class Script:
    """What goes wrong, in order: the named RPC raises its next error, before it does anything."""

    errors: dict[str, list[UnderpaintError]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def enter(self, rpc: str) -> None:
        self.calls.append(rpc)
        if self.errors.get(rpc):
            raise self.errors[rpc].pop(0)
