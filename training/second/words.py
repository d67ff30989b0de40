"""The words of the second generation: the first one's things, with more styles and grounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from training.vocabulary import Entry, Vocabulary, load_vocabulary

WORLD = Path(__file__).with_name("world.txt")
KINDS = ("style", "ground", "number", "relation")


@dataclass(frozen=True)
class World:
    """Everything the second generation knows, in the order of the files."""

    things: tuple[Entry, ...]
    styles: tuple[Entry, ...]
    colours: tuple[Entry, ...]
    sizes: tuple[Entry, ...]
    positions: tuple[Entry, ...]
    grounds: tuple[Entry, ...]
    numbers: tuple[Entry, ...]
    relations: tuple[Entry, ...]

    @cached_property
    def ground_kinds(self) -> tuple[str, ...]:
        """How each of the grounds is painted."""
        return tuple(ground.source for ground in self.grounds)


def load_words(path: Path = WORLD, first: Vocabulary | None = None) -> World:
    """Read the file; things, colours, sizes and places are those of the first generation."""
    kinds: dict[str, list[Entry]] = {kind: [] for kind in KINDS}
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        kind, word, source, names = (part.strip() for part in line.split("|"))
        if kind not in kinds:
            raise ValueError(f"{path.name} has no kind {kind!r}; use one of {', '.join(KINDS)}")
        synonyms = tuple(name.strip() for name in names.split(",") if name.strip())
        kinds[kind].append(Entry(kind, word, source, synonyms))
    known = first or load_vocabulary()
    return World(
        things=known.things,
        styles=tuple(kinds["style"]),
        colours=known.backgrounds,
        sizes=known.sizes,
        positions=known.positions,
        grounds=tuple(kinds["ground"]),
        numbers=tuple(kinds["number"]),
        relations=tuple(kinds["relation"]),
    )
