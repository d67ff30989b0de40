"""Remembers what text encoders made of prompts, because several pictures are made of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import torch

PROMPTS_REMEMBERED: Final = 32


def remembered(encode: Callable[..., Any]) -> Callable[..., Any]:
    """A text encoder with a cache.

    Only calls with plain values are cached; calls with tensors are passed on.
    """
    answers: OrderedDict[str, Any] = OrderedDict()
    plain = (str, int, float, bool, type(None), torch.device, torch.dtype)

    def encoded(*given: Any, **named: Any) -> Any:
        if not all(isinstance(value, plain) for value in (*given, *named.values())):
            return encode(*given, **named)
        key = repr((given, sorted(named.items())))
        if key not in answers:
            answers[key] = encode(*given, **named)
            if len(answers) > PROMPTS_REMEMBERED:
                answers.popitem(last=False)
        answers.move_to_end(key)
        return answers[key]

    encoded.forget = answers.clear  # type: ignore[attr-defined]
    return encoded
