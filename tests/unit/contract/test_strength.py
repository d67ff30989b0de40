"""The strength that is chosen when the artist gives none."""

import pytest
from underpaint.contract.strength import auto_strength, prompt_moved


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ("a red fox", "a red fox", 0.0),
        ("A red  fox.", "a red fox", 0.0),  # as an engine would read it
        ("a red fox", "fox, red, a", 0.0),
        ("a red fox", "two blue cats", 1.0),
        ("a red fox", "a red cat", 0.5),  # of four words, two are in only one
        ("a fox", "a fox in deep snow", 0.6),
        ("very very red", "very red", 0.33),
        ("...", "!", 0.0),
    ],
)
def test_how_far_a_prompt_moved(before: str, now: str, moved: float) -> None:
    assert prompt_moved(before, now) == moved
    assert prompt_moved(now, before) == moved


@pytest.mark.parametrize(
    ("engine", "moved", "score", "strength", "reason"),
    [
        (0.6, 0.0, None, 0.6, "the engine's own"),
        (0.6, 0.5, None, 0.75, "the prompt changed by 50% since the draft (0.6 is the engine's"),
        (0.6, 1.0, None, 0.9, "the prompt changed by 100% since the draft"),
        (0.6, 0.0, 1.0, 0.45, "the draft's score is 1 (0.6 is the engine's own)"),
        (0.6, 0.0, 0.0, 0.75, "the draft's score is 0"),
        (0.6, 0.5, 0.5, 0.75, "changed by 50% since the draft and the draft's score is 0.5"),
        (0.6, 1.0, 0.0, 0.9, "the prompt changed"),  # never so much that the draft is dropped
        (0.3, 0.0, 1.0, 0.2, "the draft's score"),  # and never so little that nothing changes
        (0.95, 1.0, None, 0.95, "the prompt changed"),  # an engine that says so knows better
        (0.1, 0.0, None, 0.1, "the engine's own"),
        (1.0, 0.0, None, 1.0, "the engine's own"),
    ],
)
def test_the_strength_follows_the_prompt_and_the_score(
    engine: float, moved: float, score: float | None, strength: float, reason: str
) -> None:
    chosen, told = auto_strength(engine, moved, score)
    assert chosen == strength
    assert told.startswith(f"strength {strength:g}: ")
    assert reason in told
