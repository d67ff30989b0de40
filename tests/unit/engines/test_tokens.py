from __future__ import annotations

from types import SimpleNamespace

from underpaint.engines.checkpoints import ModelCard
from underpaint.engines.tokens import TokenLimits, pipeline_limits

from tests.tiny.tokenizers import make_tokenizer

LONG = "a red fox a boat a red red fox"


def test_a_prompt_that_is_read_whole_is_no_matter() -> None:
    limits = TokenLimits("tiny", {"tokenizer": make_tokenizer(12)}, None)
    assert limits.warnings(LONG) == ()  # nine words, and one token before and after them
    assert limits.warnings("") == ()


def test_the_words_beyond_the_limit_are_named() -> None:
    limits = TokenLimits("tiny", {"tokenizer": make_tokenizer(8)}, None)
    assert limits.warnings(LONG) == (
        "the prompt is too long for the model tiny: of 9 words it read the first 6; "
        "not read: 'red red fox'",
    )
    (told,) = limits.warnings("a fox", LONG)
    assert told.startswith("the negative prompt is too long")


def test_a_word_of_which_one_token_is_lost_is_lost() -> None:
    limits = TokenLimits("tiny", {"tokenizer": make_tokenizer(5)}, None)
    (told,) = limits.warnings("a red-fox boat")  # red, -, fox
    assert told.endswith("it read the first 1; not read: 'red-fox boat'")


def test_what_one_of_several_tokenizers_keeps_is_read() -> None:
    short, long = make_tokenizer(6), make_tokenizer(9)
    limits = TokenLimits("tiny", {"tokenizer": short, "tokenizer_2": long}, None)
    (told,) = limits.warnings(LONG)
    assert "it read the first 7" in told
    assert told == TokenLimits("tiny", {"tokenizer": long}, None).warnings(LONG)[0]


def test_the_last_tokenizer_is_bounded_by_the_call_even_if_it_is_left_out() -> None:
    """As diffusers does: max_sequence_length is T5's, and the other encoders have their own."""
    own = make_tokenizer(6)
    both = {"tokenizer": own, "tokenizer_2": make_tokenizer(100)}
    (told,) = TokenLimits("tiny", both, 7).warnings(LONG)
    assert "it read the first 5" in told
    (told,) = TokenLimits("tiny", {"tokenizer": own, "tokenizer_2": None}, 100).warnings(LONG)
    assert "it read the first 4" in told


def test_a_long_remainder_is_shortened() -> None:
    (told,) = TokenLimits("tiny", {"tokenizer": make_tokenizer(6)}, None).warnings("a fox " * 90)
    assert len(told) < 250
    assert told.endswith("...'")


def test_a_tokenizer_that_cannot_tell_says_nothing() -> None:
    slow = SimpleNamespace(is_fast=False, model_max_length=4, num_special_tokens_to_add=lambda: 2)
    assert TokenLimits("tiny", {"tokenizer": slow}, None).warnings(LONG) == ()  # type: ignore[dict-item]


def test_the_card_of_a_model_says_how_long_its_call_reads() -> None:
    class Pipeline:
        components = {"vae": None, "tokenizer": make_tokenizer(64)}  # noqa: RUF012

        def __call__(self, prompt: str, max_sequence_length: int = 6) -> None: ...

    (told,) = pipeline_limits(Pipeline(), ModelCard(name="tiny")).warnings(LONG)
    assert "it read the first 4" in told
    card = ModelCard(name="tiny", call={"max_sequence_length": 5})
    (told,) = pipeline_limits(Pipeline(), card).warnings(LONG)
    assert "it read the first 3" in told
