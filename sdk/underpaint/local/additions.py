"""What is added to the models of `up`: LoRAs and textual inversions of either, and more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from underpaint.contract.errors import InvalidRequest
from underpaint.contract.paths import expanded
from underpaint.engines.options import Options
from underpaint.local.hardware import ENGINES


def additions(
    *,
    lora: Sequence[str] = (),
    embedding: Sequence[str] = (),
    control: Path | None = None,
    tiny_vae: bool = False,
) -> tuple[Options, Options]:
    """What is added to the Lite and to the Full model.

    Args:
        lora: lite=FILE[:WEIGHT] or full=FILE[:WEIGHT] each.
        embedding: lite=FILE or full=FILE each.
        control: the directory of a ControlNet for the Full model.
        tiny_vae: whether the Lite's drafts are decoded by the TAESD in its directory.

    Raises:
        InvalidRequest: one does not say which model it is for.
    """
    loras = _by_engine("--lora", lora)
    embeddings = _by_engine("--embedding", embedding)
    lite, full = (
        Options(
            loras=loras[engine],
            embeddings=tuple(expanded(Path(file)) for file in embeddings[engine]),
            control=expanded(control) if control and engine == "full" else None,
            tiny_vae=tiny_vae and engine == "lite",
        )
        for engine in ENGINES
    )
    return lite, full


def _by_engine(flag: str, typed: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {engine: [] for engine in ENGINES}
    for text in typed:
        engine, _, value = text.partition("=")
        if engine not in found or not value:
            file = value if engine in found else text
            raise InvalidRequest(
                f"{flag} {text}: say which model it is for: {flag} lite={file or 'FILE'} or "
                f"{flag} full={file or 'FILE'}"
            )
        found[engine].append(value)
    return {engine: tuple(files) for engine, files in found.items()}
