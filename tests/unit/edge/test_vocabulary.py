import json
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidModel
from underpaint.edge.settings import BUNDLED
from underpaint.edge.vocabulary import read_vocabulary


def write(folder: Path, value: object) -> Path:
    (folder / "vocabulary.json").write_text(json.dumps(value))
    return folder


@pytest.mark.parametrize(
    "things",
    [["cat", "bus", "hot dog"], [{"word": w, "also": ["kitten"]} for w in ("cat", "bus")]],
)
def test_a_prompt_without_a_known_thing_is_warned_about(tmp_path: Path, things: object) -> None:
    vocabulary = read_vocabulary(write(tmp_path, {"things": things, "styles": ["3d"]}))
    for known in ("a CAT", "two cats, blue", "buses", "cat"):
        assert vocabulary.warnings(known) == ()
    for unknown in ("a cathedral", "a wildcat-ish thing", "justice", "a 3d picture"):
        (warning,) = vocabulary.warnings(unknown)
        assert warning == f"no known word in the prompt; this model knows e.g. {examples(things)}"


def examples(things: object) -> str:
    assert isinstance(things, list)
    return ", ".join(t if isinstance(t, str) else t["word"] for t in things)


def test_other_names_of_a_thing_are_known_too(tmp_path: Path) -> None:
    folder = write(tmp_path, {"things": [{"word": "cat", "also": ["kitten", "c++"]}]})
    assert read_vocabulary(folder).warnings("a kitten") == ()


def test_a_model_without_a_list_warns_of_nothing(tmp_path: Path) -> None:
    assert read_vocabulary(tmp_path).warnings("anything") == ()
    assert read_vocabulary(write(tmp_path, {"things": []})).warnings("anything") == ()


@pytest.mark.parametrize("value", [[], {"words": []}, {"things": [{"name": "cat"}]}, {"things": 3}])
def test_a_file_of_another_form_is_a_bad_model(tmp_path: Path, value: object) -> None:
    with pytest.raises(InvalidModel, match=r"vocabulary\.json"):
        read_vocabulary(write(tmp_path, value))


def test_the_bundled_model_lists_what_it_knows() -> None:
    vocabulary = read_vocabulary(BUNDLED)
    assert vocabulary.warnings("a 3d cat on a blue background") == ()
    assert vocabulary.warnings("parliamentary procedure") != ()
