"""The strength of a promotion whose artist gave none.

It begins at the engine's own strength. The further the prompt moved since the draft, the less of
the draft can stay; the better the draft was judged, the more of it should.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from underpaint.contract.prompts import clean

ENGINE_STRENGTH: Final = 0.6  # of an engine that does not say its own
# For a prompt that has nothing in common with the draft's. Below 1, which drops the draft.
MOVED_STRENGTH: Final = 0.9
# What the best score takes away, and the worst adds.
SCORE_SHARE: Final = 0.15
LEAST: Final = 0.2
_SIGNS: Final = ".,;:!?()[]{}\"'"


def prompt_moved(before: str, now: str) -> float:
    """How far a prompt moved: 0 for the same words in any order, 1 for nothing in common.

    The share of words that only one of the two has, rounded to hundredths.
    """
    one, other = _words(before), _words(now)
    every = (one | other).total()
    return round(1 - (one & other).total() / every, 2) if every else 0.0


def auto_strength(engine: float, moved: float, score: float | None = None) -> tuple[float, str]:
    """The strength for a draft, and the reason for people.

    Args:
        engine: the engine's own strength.
        moved: see `prompt_moved`.
        score: how good the draft is, 0 to 1; None if nobody judged it.
    """
    strength = engine + moved * max(0.0, MOVED_STRENGTH - engine)
    reasons = [f"the prompt changed by {moved:.0%} since the draft" if moved else ""]
    if score is not None:
        strength += SCORE_SHARE * (1 - 2 * score)
        reasons.append(f"the draft's score is {score:g}")
    # Neither the prompt nor the score drops the draft or freezes it.
    most = max(engine, MOVED_STRENGTH)
    strength = round(min(max(strength, min(engine, LEAST)), most), 2)
    told = " and ".join(filter(None, reasons))
    if not told:
        return strength, f"strength {strength:g}: the engine's own"
    return strength, f"strength {strength:g}: {told} ({engine:g} is the engine's own)"


def _words(prompt: str) -> Counter[str]:
    words = (word.strip(_SIGNS) for word in clean(prompt).casefold().split())
    return Counter(word for word in words if word)
