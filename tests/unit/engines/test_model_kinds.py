from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import check_directory
from underpaint.engines.forms import find
from underpaint.engines.model_kinds import kind_of_pipeline, unloadable

from tests.unit.engines.other_kinds import OTHER_KINDS, pipeline


@pytest.mark.parametrize(("make", "told"), OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_a_model_of_another_kind_is_named_in_one_line(
    make: Callable[[Path], Path], told: str, tmp_path: Path
) -> None:
    model = make(tmp_path / "model")
    with pytest.raises(InvalidModel) as refused:
        find(str(model))
    assert told in str(refused.value)
    assert str(refused.value).startswith(str(model))
    assert "\n" not in str(refused.value)


def test_a_pipeline_that_is_not_known_is_left_to_the_loader(tmp_path: Path) -> None:
    check_directory(pipeline("TomorrowsPipeline")(tmp_path / "model"))


def test_no_pipeline_that_draws_from_a_prompt_is_taken_for_another_kind() -> None:
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    names = [each.__name__ for each in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()]
    names = [name for name in names if not name.startswith("Helios")]  # it draws videos
    assert len(names) > 20
    # diffusers counts the video models Helios among them.
    names = [name for name in names if not name.startswith("Helios")]
    assert {name: kind_of_pipeline(name) for name in names} == dict.fromkeys(names, "")


def test_whatever_a_library_raises_becomes_one_line() -> None:
    assert str(unloadable("x", AttributeError("no\n 'foo'"))).startswith(
        "the model x cannot be loaded (AttributeError: no 'foo'); it may be incomplete"
    )
