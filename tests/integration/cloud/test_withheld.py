"""A picture that is not delivered, by a running cloud: told with what it took to make."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from underpaint.contract.errors import ResultUnusable
from underpaint.contract.rim import open_channel
from underpaint.v1 import cloud_pb2_grpc

from tests.integration.cloud.conftest import start_cloud
from tests.integration.cloud.test_cloud import asked, polish
from tests.tiny.plain import save_flow


async def test_a_picture_that_is_none_is_told_with_what_it_took(tmp_path: Path) -> None:
    model = save_flow(tmp_path / "tiny")
    weights = model / "vae" / "diffusion_pytorch_model.safetensors"
    broken = {
        name: torch.full_like(tensor, float("nan")) if name.startswith("decoder") else tensor
        for name, tensor in load_file(weights).items()
    }
    save_file(broken, weights, {"format": "pt"})
    cloud = start_cloud(tmp_path / "data", model)
    try:
        async with open_channel(cloud.address) as channel:
            with pytest.raises(ResultUnusable, match="the model tiny computed NaN") as told:
                await polish(cloud_pb2_grpc.CloudServiceStub(channel), asked(), token="")
    finally:
        cloud.process.terminate()
        cloud.process.wait(60)
    assert told.value.model == "tiny"
    assert told.value.gpu_seconds > 0
