"""Tokenizers of each kind, made here: bytes and letters, and some whole words."""

from __future__ import annotations

from collections.abc import Mapping

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    GemmaTokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    T5Tokenizer,
)

WORDS = ("<pad>", "<start>", "<end>", "<unknown>", "a", "red", "fox", "boat")

# Those of the prompts of tests, and those in the templates that pipelines put round a prompt.
TEXT = """
    a red fox boat blue green cat dog house sea on in the of and with by photo picture painting
    Describe image detailing color shape size texture quantity text spatial relationships objects
    background system user assistant You are an designed to generate superior images degree
"""
COMMON = TEXT.split()

QWEN_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<think>",
    "</think>",
)

MARKS = {"additional_special_tokens": list(QWEN_SPECIAL[2:8])}

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}"
    "{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)


def make_tokenizer(most: int = 16) -> PreTrainedTokenizerFast:
    """A word is a token, and so is a hyphen; `most` of them with the two around them."""
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unknown>",
        model_max_length=most,
    )


def clip_tokenizer(most: int = 77) -> CLIPTokenizer:
    """CLIP's: bytes, a mark at the end of a word."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    words = [word.lower() for word in COMMON]
    merges = _merges([[*word[:-1], word[-1] + "</w>"] for word in words])
    vocabulary = _numbered([*pieces, *_joined(merges), "<|startoftext|>", "<|endoftext|>"])
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=most)


def qwen_tokenizer(most: int = 1024, chat: str = CHAT) -> Qwen2Tokenizer:
    """Qwen's: bytes, a mark at the beginning of a word, special tokens, and a template for talk."""
    vocabulary, merges = _bytes()
    made = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        model_max_length=most,
        additional_special_tokens=list(QWEN_SPECIAL[1:8]),
    )
    made.chat_template = chat
    return made


def bytes_tokenizer(
    most: int = 1024,
    *,
    pad: str = "<|endoftext|>",
    chat: str = CHAT,
    left: bool = False,
    named: Mapping[str, str] | None = None,
) -> PreTrainedTokenizerFast:
    """The same vocabulary in the general class that Llama 3, GLM-4 and Mistral ship."""
    vocabulary, merges = _bytes()
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = _begins("<|im_start|>", vocabulary)
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=pad,
        bos_token="<|im_start|>",
        eos_token="<|endoftext|>",
        model_max_length=most,
        padding_side="left" if left else "right",
        **({"extra_special_tokens": dict(named)} if named else MARKS),
    )
    made.chat_template = chat
    return made


def t5_tokenizer(most: int = 512) -> T5Tokenizer:
    """T5's: pieces with a likelihood, a mark before a word."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    pieces += [(letter, -8.0) for letter in letters]
    pieces += [("▁" + word, -2.0) for word in COMMON]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=most)


def gemma_tokenizer(most: int = 8192) -> GemmaTokenizer:
    """Gemma's: letters, and bytes for those that it has not."""
    vocabulary, merges = _letters("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    made = GemmaTokenizer(vocab=vocabulary, merges=merges, model_max_length=most)
    made.backend_tokenizer.post_processor = _begins("<bos>", vocabulary)
    return made


def llama_tokenizer(most: int = 2048) -> LlamaTokenizer:
    """Llama 2's, the like."""
    vocabulary, merges = _letters("<unk>", "<s>", "</s>")
    made = LlamaTokenizer(vocab=vocabulary, merges=merges, model_max_length=most, pad_token="</s>")
    made.backend_tokenizer.post_processor = _begins("<s>", vocabulary)
    return made


def bert_tokenizer(most: int = 77) -> BertTokenizer:
    """BERT's: whole words, and letters that go on a word."""
    letters = [chr(code) for code in range(33, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    words += ["##" + letter for letter in letters]
    words += sorted({word.lower() for word in COMMON} - set(letters))
    return BertTokenizer(vocab={word: i for i, word in enumerate(words)}, model_max_length=most)


def _begins(mark: str, vocabulary: dict[str, int]) -> processors.TemplateProcessing:
    """Puts a mark at the beginning, so that nothing is something, too."""
    return processors.TemplateProcessing(
        single=f"{mark} $A", special_tokens=[(mark, vocabulary[mark])]
    )


def _bytes() -> tuple[dict[str, int], list[tuple[str, str]]]:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _merges([list(mark + word) for mark in ("Ġ", "") for word in COMMON])
    return _numbered([*letters, *_joined(merges), *QWEN_SPECIAL]), merges


def _letters(*special: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    letters = [chr(code) for code in range(33, 127)]
    merges = _merges([list("▁" + word) for word in COMMON])
    pieces = [*special, *(f"<0x{code:02X}>" for code in range(256)), "▁", *letters]
    return _numbered([*pieces, *_joined(merges)]), merges


def _merges(words: list[list[str]]) -> list[tuple[str, str]]:
    """From the left, a letter after the other."""
    found: dict[tuple[str, str], None] = {}
    for word in words:
        for i in range(1, len(word)):
            found["".join(word[:i]), word[i]] = None
    return list(found)


def _joined(merges: list[tuple[str, str]]) -> list[str]:
    return [a + b for a, b in merges]


def _numbered(pieces: list[str]) -> dict[str, int]:
    return {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
