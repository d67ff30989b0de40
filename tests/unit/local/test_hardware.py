"""Where the engines of `up` run: options for both, or for one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.local.hardware import by_engine
from underpaint.local.stack import StackOptions, plan


@pytest.mark.parametrize(
    ("typed", "lite", "full"),
    [
        ([], {}, {}),
        (["cuda"], {"device": "cuda"}, {"device": "cuda"}),
        (["full=cuda:1"], {}, {"device": "cuda:1"}),
        (["cuda", "lite=cpu"], {"device": "cpu"}, {"device": "cuda"}),
        (["full=cuda:1", "lite=mps"], {"device": "mps"}, {"device": "cuda:1"}),
    ],
)
def test_an_option_is_for_both_engines_or_for_the_one_that_it_names(
    typed: list[str], lite: dict[str, str], full: dict[str, str]
) -> None:
    assert by_engine(device=typed, dtype=[]) == (lite, full)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["edge=cpu"], "there is no engine 'edge'; write --vae-tiling lite=cpu or"),
        (["lite=on", "lite=off"], "--vae-tiling is given twice for lite"),
        (["on", "off"], "--vae-tiling is given twice for both engines"),
    ],
)
def test_an_option_that_says_two_things_or_nothing_is_refused(typed: list[str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        by_engine(vae_tiling=typed)


def options(folder: Path, lite: dict[str, str], full: dict[str, str]) -> StackOptions:
    return StackOptions(
        data_dir=folder,
        edge_port=0,
        orchestrator_port=0,
        cloud_port=0,
        lite_placement=lite,
        full_placement=full,
    )


def test_the_services_are_started_with_them(tmp_path: Path) -> None:
    lite, full = by_engine(
        device=["full=cuda:1"], dtype=["bfloat16"], offload=["full=model"], compile=[], quantise=[]
    )
    commands = {spec.name: spec.command for spec in plan(options(tmp_path, lite, full))}

    def after(service: str, flag: str) -> str:
        command = commands[service]
        return command[command.index(flag) + 1]

    assert after("cloud", "--device") == "cuda:1"
    assert after("cloud", "--offload") == "model"
    assert after("cloud", "--dtype") == after("edge", "--dtype") == "bfloat16"
    assert not {"--device", "--offload", "--compile"} & set(commands["edge"])
    assert "--compile" not in commands["cloud"]


@pytest.mark.parametrize("engine", ["lite", "full"])
def test_what_cannot_be_is_told_before_anything_starts(engine: str, tmp_path: Path) -> None:
    wrong = {"device": "cpu", "offload": "model"}
    with pytest.raises(InvalidRequest, match="so --device cpu cannot use it"):
        plan(options(tmp_path, *((wrong, {}) if engine == "lite" else ({}, wrong))))
