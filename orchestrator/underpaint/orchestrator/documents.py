"""Reads YAML so that every error can name its file, line and field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from underpaint.contract.errors import InvalidRequest

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value of a document. Errors about it name the file, line and field."""

    file: Path
    name: str  # such as "engines.full.per_image_usd_micros"; empty for the whole document
    node: yaml.Node

    @property
    def line(self) -> int:
        """The line where it begins, from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def last_line(self) -> int:
        """The line where it ends, from 1."""
        return _last_line(self.node) + 1

    @property
    def text_line(self) -> int:
        """The line where its text begins; that of a block is the line after its | or >."""
        block = isinstance(self.node, yaml.ScalarNode) and self.node.style in ("|", ">")
        return self.line + 1 if block else self.line

    @property
    def where(self) -> str:
        """Such as "prices.yaml:12: engines.full"."""
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.name}" if self.name else f"{place}: the document"

    def wrong(self, problem: str) -> InvalidRequest:
        """Makes an error about this value."""
        return InvalidRequest(f"{self.where} {problem}")

    def fields(
        self, *, required: frozenset[str] = frozenset(), optional: frozenset[str] = frozenset()
    ) -> dict[str, Entry]:
        """The fields of a mapping. If neither set is given, any field is allowed.

        Raises:
            InvalidRequest: not a mapping, or a field is unknown, missing or repeated.
        """
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong("must be a mapping of fields")
        fields: dict[str, Entry] = {}
        for key, value in self.node.value:
            name = str(key.value)
            entry = Entry(file=self.file, name=f"{self.name}.{name}".lstrip("."), node=value)
            if name in fields:
                raise Entry(file=self.file, name=entry.name, node=key).wrong("is there twice")
            known = required | optional
            if known and name not in known:
                raise Entry(file=self.file, name=entry.name, node=key).wrong(
                    f"is unknown; known here: {', '.join(sorted(known))}"
                )
            fields[name] = entry
        missing = sorted(required - fields.keys())
        if missing:
            raise self.wrong(f"lacks {', '.join(missing)}")
        return fields

    def __iter__(self) -> Iterator[Entry]:
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.wrong("must be a list")
        for index, node in enumerate(self.node.value):
            yield Entry(file=self.file, name=f"{self.name}[{index}]", node=node)

    @property
    def is_empty(self) -> bool:
        """Whether the value is missing, as in `name:`."""
        return bool(self.node.tag == "tag:yaml.org,2002:null")

    @property
    def is_flow(self) -> bool:
        """Whether it is a list or mapping in brackets or braces."""
        return isinstance(self.node, yaml.CollectionNode) and bool(self.node.flow_style)

    @property
    def is_text(self) -> bool:
        """Whether this is a single value, not a list or mapping."""
        return isinstance(self.node, yaml.ScalarNode)

    def text(self) -> str:
        """A single value exactly as it is written, so that 0.10 never becomes a float.

        Raises:
            InvalidRequest: empty, null, a list or a mapping.
        """
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag == "tag:yaml.org,2002:null":
            raise self.wrong("must be a single value")
        value = str(self.node.value).strip()
        if not value:
            raise self.wrong("is empty")
        return value

    def whole(self, least: int, most: int) -> int:
        """A whole number in a range.

        Raises:
            InvalidRequest: anything else.
        """
        text = self.text()
        if not _WHOLE.fullmatch(text):
            raise self.wrong(f"must be a whole number of at most 18 digits, not {text[:40]!r}")
        number = int(text)
        if not least <= number <= most:
            raise self.wrong(f"is {number}; it must be {least} to {most}")
        return number

    def number(self, least: float, most: float) -> float:
        """A number in a range.

        Raises:
            InvalidRequest: anything else.
        """
        text = self.text()
        try:
            number = float(text)
        except ValueError:
            raise self.wrong(f"must be a number, not {text!r}") from None
        if not least <= number <= most:
            raise self.wrong(f"is {text}; it must be {least:g} to {most:g}")
        return number


def read(file: Path) -> Entry:
    """A YAML file as one entry.

    Raises:
        InvalidRequest: the file cannot be read, is not YAML or is empty.
    """
    return parse(read_text(file), file)


def read_text(file: Path) -> str:
    """A file's text.

    Raises:
        InvalidRequest: the file cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} cannot be read: {error}") from None


def parse(text: str, file: Path) -> Entry:
    """YAML text as one entry; `file` is its name in errors.

    Raises:
        InvalidRequest: it is not YAML or is empty.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidRequest(f"{file}:{line}: this is not YAML: {error.problem}") from None
    except RecursionError:
        raise InvalidRequest(f"{file}: this is nested too deeply") from None
    except yaml.YAMLError as error:
        raise InvalidRequest(f"{file}: this is not YAML: {error}".replace("\n", " ")) from None
    if node is None:
        raise InvalidRequest(f"{file} is empty")
    return Entry(file=file, name="", node=node)


def _last_line(node: yaml.Node) -> int:
    """The last line, from 0. The parser ends a block where the next begins; ask its last value."""
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    if block and isinstance(node, yaml.MappingNode) and node.value:
        return _last_line(node.value[-1][1])
    if block and isinstance(node, yaml.SequenceNode) and node.value:
        return _last_line(node.value[-1])
    return int(node.end_mark.line) - (0 if node.end_mark.column else 1)
