"""The warning that a prompt names nothing the model was taught."""

from __future__ import annotations

import pytest
from underpaint.contract.vocabulary import Vocabulary, Word, read_vocabulary
from underpaint.edge.settings import BUNDLED
from underpaint.edge.vocabulary import Reader

CAT = Word(word="cat", also=("kitten", "c++"))
VOCABULARY = Vocabulary(
    things=(CAT, Word(word="bus"), Word(word="hot dog"), Word(word="elephant")),
    styles=(Word(word="3d"), Word(word="cartoon")),
    backgrounds=(Word(word="gray", also=("grey",)),),
)
READER = Reader(VOCABULARY)
EXAMPLES = "this model knows e.g. cat, bus, hot dog, elephant"


@pytest.mark.parametrize(
    "prompt", ["a CAT", "two cats, blue", "buses", "a kitten", "c++", "a zebra and a hot dog"]
)
def test_one_known_thing_is_enough(prompt: str) -> None:
    assert READER.warnings(prompt) == ()


@pytest.mark.parametrize("prompt", ["a cathedral", "justice", "a 3d picture", "🦊", "on grey"])
def test_a_prompt_without_a_known_thing_is_warned_about(prompt: str) -> None:
    assert READER.warnings(prompt) == (f"no known word in the prompt; {EXAMPLES}",)


@pytest.mark.parametrize(
    ("prompt", "near"),
    [
        ("an elefant on a gray background", "elephant"),
        ("a 3d kiten", "cat"),
        ("a hott dogg", "hot dog"),
        ("a hot god and a bicycle", "hot dog"),
        ("a buz and an elephent", "elephant"),
    ],
)
def test_what_looks_like_a_known_thing_is_asked_about(prompt: str, near: str) -> None:
    (warning,) = READER.warnings(prompt)
    assert warning == f"no known word in the prompt; did you mean {near}?; {EXAMPLES}"


def test_the_nearest_is_named_first() -> None:
    reader = Reader(Vocabulary(things=(Word(word="camel"), Word(word="camera"))))
    (warning,) = reader.warnings("a camerl")
    assert "did you mean camel or camera?" in warning


def test_a_style_is_no_misspelt_thing() -> None:
    reader = Reader(Vocabulary(things=(Word(word="carton"),), styles=(Word(word="cartoon"),)))
    (warning,) = reader.warnings("a cartoon")
    assert "did you mean" not in warning


def test_the_command_that_lists_the_words_is_named_where_there_is_one() -> None:
    (warning,) = Reader(VOCABULARY, "underpaint models show lite").warnings("justice")
    assert warning.endswith("; `underpaint models show lite` lists all")


def test_a_model_without_a_list_warns_of_nothing() -> None:
    assert Reader(Vocabulary()).warnings("anything") == ()


def test_the_bundled_model_warns_of_the_unknown_and_only_of_it() -> None:
    reader = Reader(read_vocabulary(BUNDLED))
    assert reader.warnings("a 3d cat on a blue background") == ()
    (warning,) = reader.warnings("an elefant")
    assert "did you mean elephant" in warning


def test_hints_are_looked_for_in_the_first_words_only() -> None:
    # Comparing a thousand letters with every name would take longer than the draft.
    for unread, hinted in ((14, True), (16, False)):
        (warning,) = READER.warnings("qqq " * unread + "elefant")
        assert ("did you mean elephant?" in warning) == hinted
