"""Which GPU each replica gets; Ray itself would wait for one that is not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from underpaint.cloud.app import Arguments, build
from underpaint.cloud.gpus import gpus, show_one_gpu
from underpaint.cloud.settings import Settings
from underpaint.contract.errors import InvalidRequest
from underpaint.engines.placement import Placement


@pytest.mark.parametrize(
    ("device", "replicas", "there", "given"),
    [
        ("auto", 1, 0, ("auto", 1)),
        ("auto", 2, 2, ("cuda", 1)),
        ("cpu", 4, 2, ("cpu", 1)),
        ("mps", 1, 0, ("mps", 1)),
        ("cuda", 2, 4, ("cuda", 1)),
        ("cuda:1", 1, 1, ("cuda", 1)),
        ("cuda:1", 3, 1, ("cuda", 0.3333)),
    ],
)
def test_each_replica_gets_a_gpu_or_shares_the_one_that_is_named(
    device: str, replicas: int, there: float, given: tuple[str, float]
) -> None:
    assert gpus(Settings(device=device, replicas=replicas), there) == given


@pytest.mark.parametrize(
    ("device", "replicas", "there", "said"),
    [
        ("cuda", 1, 0, "Ray finds no CUDA device for --device cuda; use --device cpu"),
        ("cuda:2", 1, 0, "for --device cuda:2"),
        ("cuda", 3, 2, "--replicas 3 need a GPU each, and Ray has 2; use fewer, or --device"),
        ("auto", 2, 1, "--replicas 2 need a GPU each, and Ray has 1"),
    ],
)
def test_gpus_that_are_not_there_are_told(
    device: str, replicas: int, there: float, said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        gpus(Settings(device=device, replicas=replicas), there)


@pytest.mark.parametrize(
    ("visible", "device", "shown"),
    [("", "cuda:1", "1"), ("4, 6", "cuda:1", "6"), ("4,6", "cuda", "4,6"), ("4,6", "cpu", "4,6")],
)
def test_ray_sees_only_the_gpu_that_is_named(
    visible: str, device: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    show_one_gpu(device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == shown


def test_a_gpu_beyond_the_visible_ones_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    with pytest.raises(InvalidRequest, match="no cuda:2 among CUDA_VISIBLE_DEVICES=4,6"):
        show_one_gpu("cuda:2")


def test_on_a_cluster_ray_chooses_the_gpu(tmp_path: Path) -> None:
    joined = Settings(ray_address="ray:6379", device="cuda:1", data_dir=tmp_path)
    with pytest.raises(InvalidRequest, match="Ray gives each replica a GPU: use --device cuda"):
        _ = joined.engine_placement
    with pytest.raises(InvalidRequest, match="Ray gives each replica its GPU; use cuda"):
        build(Arguments(device="cuda:1"))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"device": "cuda"}, 1),
        ({"device": "cuda", "gpus_each": 0.5}, 0.5),
        ({"device": "cpu", "gpus_each": 0.5}, 0),
        ({}, 0),
    ],
)
def test_ray_is_asked_for_gpus_only_where_they_are_used(
    arguments: dict[str, Any], wanted: float
) -> None:
    application: Any = build(Arguments(**arguments))
    (replica,) = (
        a for a in application._bound_deployment.init_args if hasattr(a, "_bound_deployment")
    )
    deployment = replica._bound_deployment
    assert deployment.ray_actor_options["num_gpus"] == wanted
    placement = deployment.init_args[2].placement
    assert placement == Placement(device=arguments.get("device", "auto"))


def test_compiled_code_is_kept_in_the_data_directory_of_this_machine(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, compile="default", dtype="bfloat16")
    assert settings.engine_placement == Placement(
        compile="default", dtype="bfloat16", cache_dir=tmp_path / "compiled"
    )
