"""The world's words: no ambiguities, one token a thing, whatever its spelling."""

import pytest

from training.vocabulary import (
    CELL_TOKENS,
    CONTEXT_LENGTH,
    SPECIAL_TOKENS,
    load_vocabulary,
    make_tokenizer,
)

VOCABULARY = load_vocabulary()
TOKENIZER = make_tokenizer(VOCABULARY)
LOOKS = {thing.token: list(thing.looks) for thing in VOCABULARY.things}


def tokens(prompt: str) -> list[str]:
    """The words of the prompt as the models read it; the tokens for looks are checked and gone."""
    begin, *read = TOKENIZER.convert_ids_to_tokens(TOKENIZER(prompt)["input_ids"])
    end = read.index("</s>")
    assert (begin, read[end + 1 :]) == ("<s>", list(CELL_TOKENS))
    words, rest = [], read[:end]
    while rest:
        words.append(rest.pop(0))
        for look in LOOKS.get(words[-1], []):
            assert rest.pop(0) == look
    return words


def test_the_world_is_large_enough() -> None:
    assert len(VOCABULARY.things) >= 330
    assert len(VOCABULARY.styles) == 3
    assert len(VOCABULARY.backgrounds) == 12


def test_every_word_has_one_id() -> None:
    assert len(set(VOCABULARY.words)) == len(VOCABULARY.words)
    assert VOCABULARY.words[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS


def test_an_ambiguous_name_is_refused(tmp_path) -> None:
    path = tmp_path / "vocabulary.txt"
    path.write_text("thing food | pie | 1F967 | cake\nthing food | tart | 1F370 | cake\n")
    with pytest.raises(ValueError, match="cake"):
        load_vocabulary(path)


@pytest.mark.parametrize("entry", VOCABULARY.things, ids=lambda entry: entry.word)
def test_every_spelling_of_a_thing_is_its_token(entry) -> None:
    for name in entry.spellings:
        assert tokens(f"a {name} on a blue background") == [
            "a",
            entry.token,
            "on",
            "a",
            "blue",
            "background",
        ], name


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A 3D Teddy Bear", ["a", "3d", "teddy_bear"]),
        ("two kittens, hand-drawn!", ["<unk>", "cat", "cartoon"]),
        ("a robot toy and robots, a robot", ["a", "robot", "<unk>", "and", "robot", "a", "robot"]),
        ("burger; navy background", ["hamburger", "blue", "background"]),
        ("a bearing", ["a", "<unk>"]),
        ("über-quux 🦊", ["<unk>", "<unk>"]),
        ("", []),
    ],
)
def test_prompts_are_read_tolerantly(prompt: str, expected: list[str]) -> None:
    assert tokens(prompt) == expected


def test_a_long_prompt_is_cut_to_the_context() -> None:
    ids = TOKENIZER("cat " * 100, truncation=True, padding="max_length")["input_ids"]
    assert len(ids) == CONTEXT_LENGTH
