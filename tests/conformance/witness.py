"""Which methods of what implementation the suite has called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Called:
    """Names of methods, by the name of an implementation and the seam."""

    names: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def watch(self, implementation: str, seam: type, target: Any) -> Any:
        """What behaves as the target and tells what is called on it from outside."""
        return _Watched(target, self.names.setdefault((implementation, seam.__name__), set()).add)


class _Watched:
    def __init__(self, target: Any, tell: Callable[[str], None]) -> None:
        self._target = target
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._tell(name)
            return found(*arguments, **named)

        return call
