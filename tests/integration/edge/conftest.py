"""Ordinary tiny pipelines with random weights, as diffusers saves them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
)
from underpaint.contract.rim import open_channel, start_server
from underpaint.edge.draft_queue import DraftQueue
from underpaint.edge.outbox_sender import OutboxSender
from underpaint.edge.servicer import SERVICE, EdgeServicer
from underpaint.edge.store import DraftStore
from underpaint.v1 import edge_pb2_grpc

from tests.integration.edge.noise import Node, NoiseEngine

WORDS = ("<pad>", "<unk>", "<s>", "</s>", "a", "cat", "dog", "blue")


def make_tokenizer() -> PreTrainedTokenizerFast:
    own = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    own.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    own.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=own,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=8,
    )


def text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=32,
        projection_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=8,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )


def make_autoencoder() -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
    )


def make_unet(width: int, **extra: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        norm_num_groups=4,
        attention_head_dim=4,
        layers_per_block=1,
        **extra,
    )


def make_sd() -> Any:
    torch.manual_seed(0)
    return diffusers.StableDiffusionPipeline(
        vae=make_autoencoder(),
        text_encoder=CLIPTextModel(text_config()),
        tokenizer=make_tokenizer(),
        unet=make_unet(32),
        scheduler=diffusers.EulerDiscreteScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def make_sdxl() -> Any:
    torch.manual_seed(0)
    return diffusers.StableDiffusionXLPipeline(
        vae=make_autoencoder(),
        text_encoder=CLIPTextModel(text_config()),
        tokenizer=make_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(text_config()),
        tokenizer_2=make_tokenizer(),
        unet=make_unet(
            64,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=32 + 6 * 8,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(steps_offset=1),
        add_watermarker=False,
    )


@pytest.fixture(scope="session")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion directory with a card and a vocabulary."""
    folder = tmp_path_factory.mktemp("models") / "tiny-sd"
    make_sd().save_pretrained(folder)
    card = {"name": "tiny", "native_size": 64, "num_inference_steps": 3, "guidance_scale": 1.0}
    (folder / "underpaint.json").write_text(json.dumps(card))
    (folder / "vocabulary.json").write_text(json.dumps({"things": ["cat", "dog"]}))
    return folder


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion XL directory as it comes, without a card."""
    folder = tmp_path_factory.mktemp("models") / "tiny-sdxl"
    make_sdxl().save_pretrained(folder)
    return folder


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    engine = NoiseEngine()
    store = DraftStore(tmp_path, draft_limit=70, bytes_limit=2**30)
    queue = DraftQueue(lambda: engine)
    await queue.open()
    server, port = await start_server(
        "127.0.0.1:0",
        lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(
            EdgeServicer(queue, store, OutboxSender(store, None, 60)), s
        ),
        [SERVICE],
    )
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield Node(engine, edge_pb2_grpc.EdgeServiceStub(channel), store)
    engine.endless = False
    queue.close()
    await server.stop(None)
    store.close()
