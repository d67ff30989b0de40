"""Kolors: Stable Diffusion XL's UNet, read with ChatGLM."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from diffusers import KolorsPipeline
from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel
from diffusers.pipelines.kolors.tokenizer import ChatGLMTokenizer
from sentencepiece import SentencePieceTrainer

from tests.tiny.parts import VOCABULARY, WIDTH, Tiny, vae
from tests.tiny.stable_diffusion import euler, xl_unet
from tests.tiny.tokenizers import COMMON


def chatglm_tokenizer() -> ChatGLMTokenizer:
    """ChatGLM's, of a vocabulary that is learned here."""
    learned = BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(COMMON),
        model_writer=learned,
        vocab_size=300,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    home = TemporaryDirectory()
    file = Path(home.name) / "tokenizer.model"
    file.write_bytes(learned.getvalue())
    made = ChatGLMTokenizer(str(file))
    made.home = home  # saving copies the file; it goes with the tokenizer
    return made


def chatglm() -> ChatGLMModel:
    """ChatGLM, whose scales begin as whatever lay in memory."""
    made = ChatGLMModel(
        ChatGLMConfig(
            num_layers=2,
            padded_vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            ffn_hidden_size=WIDTH,
            kv_channels=16,
            num_attention_heads=2,
            seq_length=256,
            add_qkv_bias=True,
            multi_query_attention=True,
            original_rope=True,
        )
    )
    for name, weights in made.named_parameters():
        if name.endswith("norm.weight"):
            weights.data.fill_(1.0)
    return made


def kolors() -> KolorsPipeline:
    """Kolors."""
    return KolorsPipeline(
        vae=vae(4, scaling_factor=0.13025),
        text_encoder=chatglm(),
        tokenizer=chatglm_tokenizer(),
        unet=xl_unet(texts=1, encoder_hid_dim=WIDTH, encoder_hid_dim_type="text_proj"),
        scheduler=euler(),
    )


MODELS = {"kolors": Tiny(kolors)}
