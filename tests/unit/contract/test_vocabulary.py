from __future__ import annotations

import json
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidModel
from underpaint.contract.vocabulary import Vocabulary, Word, read_vocabulary


def test_words_are_strings_or_have_other_names(tmp_path: Path) -> None:
    stored = {
        "things": ["bus", {"word": "cat", "kind": "animal", "also": ["kitten"]}],
        "sizes": [{"word": "big", "also": ["huge"]}],
        "examples": ["a cat"],
        "something new": 1,
    }
    (tmp_path / "vocabulary.json").write_text(json.dumps(stored))
    found = read_vocabulary(tmp_path)
    assert found == Vocabulary(
        things=(Word(word="bus"), Word(word="cat", kind="animal", also=("kitten",))),
        sizes=(Word(word="big", also=("huge",)),),
        examples=("a cat",),
    )
    assert found.things[1].names == ("cat", "kitten")


def test_a_model_without_a_list_knows_nothing_to_speak_of(tmp_path: Path) -> None:
    assert read_vocabulary(tmp_path) == Vocabulary()


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"words": []}',
        '{"things": [{"name": "cat"}]}',
        '{"things": 3}',
        '{"things": [3]}',
        '{"things": [{"word": "cat", "also": 3}]}',
        '{"things": [], "styles": [null]}',
    ],
)
def test_a_file_of_another_form_is_a_bad_model(tmp_path: Path, text: str) -> None:
    (tmp_path / "vocabulary.json").write_text(text)
    with pytest.raises(InvalidModel, match=r"vocabulary\.json"):
        read_vocabulary(tmp_path)
