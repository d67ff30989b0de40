"""Reads the syntax tree of a compiled condition from its serialized form.

The CEL library gives no access to the tree, but `serialize()` returns the protocol buffer of CEL's
specification (cel/expr/syntax.proto and checked.proto). No package has Python classes for it and
few fields are needed, so the bytes are parsed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Field numbers of the specification.
_ANY_VALUE: Final = 2
_CHECKED_EXPR: Final = 4
_ID, _CONSTANT, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 2, 3, 4, 5, 6, 7, 8, 9
_TEXTS: Final = (6, 7)  # of a constant: a text, bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One expression; `kind` decides which of the other fields are used."""

    kind: str  # constant, name, select, call, list, mapping, message, loop
    name: str = ""  # of a variable, a selected field, a function or a message
    text: str | None = None  # the value of a text constant
    parts: tuple[Node, ...] = ()  # arguments, elements, keys and values, in order
    loop: Loop | None = field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A loop over a list, which all, exists, exists_one, filter and map become."""

    over: Node
    names: tuple[str, ...]  # variables for the current element and sometimes its index
    result: str  # variable for the accumulated result
    start: Node
    goes_on: Node
    step: Node
    end: Node


def tree(serialized: bytes) -> Node:
    """The expression of a serialized `google.protobuf.Any` with a CheckedExpr in it."""
    return _node(_one(_one(serialized, _ANY_VALUE), _CHECKED_EXPR))


def _node(data: bytes) -> Node:
    for number, value in _fields(data):
        if not isinstance(value, bytes):
            continue  # the id of the expression
        if number == _CONSTANT:
            texts = [each for kind, each in _fields(value) if kind in _TEXTS]
            return Node(kind="constant", text=_text(texts[0]) if texts else None)
        if number == _IDENT:
            return Node(kind="name", name=_text(_one(value, 1)))
        if number == _SELECT:
            return Node(kind="select", name=_text(_one(value, 2)), parts=(_node(_one(value, 1)),))
        if number == _CALL:
            # The target of a method, then its arguments.
            inside = [each for kind, each in _fields(value) if kind in (1, 3)]
            return Node(kind="call", name=_text(_one(value, 2)), parts=_nodes(inside))
        if number == _LIST:
            return Node(kind="list", parts=_nodes(e for kind, e in _fields(value) if kind == 1))
        if number == _STRUCT:
            entries = [each for kind, each in _fields(value) if kind == 2]
            inside = [e for entry in entries for kind, e in _fields(_raw(entry)) if kind in (3, 4)]
            name = _text(_one(value, 1))
            return Node(kind="message" if name else "mapping", name=name, parts=_nodes(inside))
        if number == _LOOP:
            return Node(kind="loop", loop=_loop(value))
    return Node(kind="constant")


def _loop(data: bytes) -> Loop:
    return Loop(
        names=tuple(name for number in (1, 8) if (name := _text(_one(data, number)))),
        over=_node(_one(data, 2)),
        result=_text(_one(data, 3)),
        start=_node(_one(data, 4)),
        goes_on=_node(_one(data, 5)),
        step=_node(_one(data, 6)),
        end=_node(_one(data, 7)),
    )


def _nodes(found: Iterator[int | bytes] | list[int | bytes]) -> tuple[Node, ...]:
    return tuple(_node(_raw(each)) for each in found)


def _one(data: bytes, wanted: int) -> bytes:
    """The bytes of one field; empty if it is missing."""
    return next((_raw(value) for number, value in _fields(data) if number == wanted), b"")


def _raw(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: int | bytes) -> str:
    return _raw(value).decode(errors="replace")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The number and value of each field, from protocol buffers' wire format."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"protocol buffers have no wire type {kind}")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
