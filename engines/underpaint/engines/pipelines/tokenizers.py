"""The tokenizers that come with the package, for single files, which hold none."""

from __future__ import annotations

import gzip
from typing import Any, Final

from tokenizers import Tokenizer
from transformers import CLIPTokenizer, T5TokenizerFast
from underpaint.engines.singles import CONFIGS

_START: Final = "<|startoftext|>"
_END: Final = "<|endoftext|>"


def packaged_tokenizer(class_name: str, *, padded_by: str = "") -> Any:
    """CLIP's or T5's tokenizer.

    Args:
        class_name: as in model_index.json.
        padded_by: the token that fills a short text up; empty for the usual one.
    """
    if class_name.startswith("T5"):
        vocabulary = gzip.decompress((CONFIGS / "t5" / "tokenizer.json.gz").read_bytes())
        made = Tokenizer.from_str(vocabulary.decode())
        return T5TokenizerFast(tokenizer_object=made, model_max_length=512)
    text = gzip.decompress((CONFIGS / "clip" / "merges.txt.gz").read_bytes()).decode()
    merges = [tuple(line.split(" ")) for line in text.splitlines()]
    units = _letters()
    tokens = [
        *units,
        *(f"{unit}</w>" for unit in units),
        *("".join(pair) for pair in merges),
        _START,
        _END,
    ]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        pad_token=padded_by or _END,
        model_max_length=77,
    )


def _letters() -> list[str]:
    """A printable letter for each byte, in CLIP's order: first those that are printable."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
