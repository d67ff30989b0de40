"""Computes how much a condition can cost at most, before it is ever evaluated.

CEL has no unbounded loops, but loops over the results of loops can grow a value exponentially:
forty times `.map(a, a + a)` doubles a text forty times. So an upper bound is computed for the size
of every value, from the inside out, and from it the number of steps. One step takes about 20 ns
on the machine where this was measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from underpaint.orchestrator.policy.facts import FIELDS
from underpaint.orchestrator.policy.syntax import Loop, Node

MAX_COST: Final = 20_000  # steps of one condition: 0.4 ms
MAX_POLICY_COST: Final = 40_000  # steps of all conditions of a policy
MAX_LOOPS: Final = 2  # nested

# The assumed largest content of a field. Names and roles have at most 64 characters.
_FIELD_CHARACTERS: Final = 256
_FIELD_ENTRIES: Final = 32
_WRITTEN: Final = 64  # characters of a number, a boolean or a time as text
_CHARACTERS_A_STEP: Final = 64
# A pattern is compiled again at each evaluation. Steps for each of its characters and classes:
_PLAIN, _CLASS, _UNICODE = 30, 120, 40_000
_PIECE: Final = re.compile(
    r"""(?P<repeat>\{(?P<least>\d+)(?:,(?P<most>\d*))?\}) | (?P<open>\() | (?P<close>\))
    | (?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\] | \. | \\[DSWXpP](?:\{[^}]*\})?)
    | (?P<plain>\\.|.)""",
    re.VERBOSE | re.DOTALL,
)
_SCALAR_FUNCTIONS: Final = frozenset(
    (
        *("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_-_", "_*_", "_/_", "_%_", "-_"),
        *("!_", "_&&_", "_||_", "@not_strictly_false", "size", "type"),
        *("contains", "startsWith", "endsWith"),
        *("int", "uint", "double", "bool", "timestamp", "duration"),
        *("getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getMonth"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    )
)


class Costly(Exception):
    """A condition that may cost too much; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The largest possible size of a value."""

    length: int = 0  # characters of a text, entries of a list or mapping; 0 for anything else
    item: Shape | None = None  # the largest entry

    @property
    def steps(self) -> int:
        """Steps to read or copy the whole value."""
        return (
            self.length * (1 + self.item.steps) if self.item else self.length // _CHARACTERS_A_STEP
        )


_SCALAR: Final = Shape()


def cost_of(node: Node) -> int:
    """The most steps that a condition can take.

    Raises:
        Costly: it can take more than MAX_COST, or no bound can be computed.
    """
    _, cost = _weigh(node, {}, 0)
    if cost > MAX_COST:
        told = f"{cost:,}" if cost < 10**12 else "far more"
        raise Costly(
            f"may take {told} steps; at most {MAX_COST:,} are allowed; "
            "use shorter lists, texts and patterns, or fewer loops over results of loops"
        )
    return cost


def _weigh(node: Node, names: Mapping[str, Shape], depth: int) -> tuple[Shape, int]:
    """The largest value and the most steps of an expression.

    Args:
        node: the expression.
        names: the largest values of the variables of the loops around it.
        depth: the number of loops around it.
    """
    if node.kind == "constant":
        return (Shape(len(node.text)) if node.text is not None else _SCALAR), 1
    if node.kind == "name":
        return names.get(node.name) or _field(node.name), 1
    if node.loop:
        return _loop(node.loop, names, depth)
    if node.kind == "message":
        raise Costly(f"builds a {node.name}; conditions may only compare plain values")
    shapes, cost = [], 1
    for part in node.parts:
        shape, steps = _weigh(part, names, depth)
        shapes.append(shape)
        cost += steps
    if node.kind in ("list", "mapping"):
        return Shape(len(shapes), _largest(shapes)), cost + sum(each.steps for each in shapes)
    if node.kind == "select":
        return _field(_dotted(node)) if not shapes[0].item else shapes[0].item, cost
    return _call(node, shapes, cost)


def _call(node: Node, shapes: list[Shape], cost: int) -> tuple[Shape, int]:
    function = node.name
    if function == "_?_:_":
        return _largest(shapes[1:]), cost
    if function == "_[_]":
        return shapes[0].item or _SCALAR, cost
    if function == "dyn":
        return shapes[0], cost
    cost += sum(each.steps for each in shapes)
    if function == "_+_":
        items = [each.item for each in shapes if each.item]
        length = sum(each.length for each in shapes)
        return Shape(length, _largest(items) if items else None), cost
    if function in ("string", "bytes"):
        return Shape(max(_WRITTEN, *(each.length for each in shapes))), cost
    if function == "matches":
        pattern = node.parts[-1].text
        if pattern is None:
            raise Costly("computes a pattern; write the pattern as one text in quotes")
        return _SCALAR, cost + 2 * shapes[0].length + pattern_cost(pattern)
    if function in _SCALAR_FUNCTIONS:
        return _SCALAR, cost
    raise Costly(f"calls {function}, which is not allowed in policies")


def _loop(loop: Loop, names: Mapping[str, Shape], depth: int) -> tuple[Shape, int]:
    if depth >= MAX_LOOPS:
        raise Costly(
            f"has more than {MAX_LOOPS} nested loops (all, exists, exists_one, filter, map); "
            "split it into several rules"
        )
    over, cost = _weigh(loop.over, names, depth)
    start, steps = _weigh(loop.start, names, depth)
    cost += steps
    inside = {**names, **dict.fromkeys(loop.names, over.item or _SCALAR)}
    # A condition cannot use the accumulated result, so each round adds at most the same amount.
    once, _ = _weigh(loop.step, {**inside, loop.result: start}, depth + 1)
    length = start.length + over.length * max(0, once.length - start.length)
    items = [each.item for each in (start, once) if each.item]
    gathered = Shape(length, _largest(items) if items else None)
    inside[loop.result] = gathered
    _, turn = _weigh(loop.step, inside, depth + 1)
    _, test = _weigh(loop.goes_on, inside, depth + 1)
    end, last = _weigh(loop.end, {**names, loop.result: gathered}, depth)
    return end, cost + over.length * (turn + test) + last


def pattern_cost(pattern: str) -> int:
    """Steps to compile a regular expression; a repetition multiplies the cost of its content."""
    sums, last = [0], [0]  # the cost of each open group, and of the piece before
    for piece in _PIECE.finditer(pattern):
        kind = piece.lastgroup if piece.lastgroup not in ("least", "most") else "repeat"
        if kind == "repeat":
            times = max(1, int(piece["most"] or piece["least"]))
            sums[-1] += last[-1] * (times - 1)
            continue
        if kind == "open":
            sums.append(0)
            last.append(0)
            continue
        if kind == "close":
            if len(sums) == 1:
                continue  # an invalid pattern; the library reports it
            weight = sums.pop()
            last.pop()
        else:
            weight = _class_cost(piece[0]) if kind == "class" else _PLAIN
        sums[-1] += weight
        last[-1] = weight
    return sum(sums)


def _class_cost(written: str) -> int:
    several = written.count("\\") + sum(not each.isascii() for each in written)
    unicode = written.count("\\p") + written.count("\\P")
    return _CLASS + several * _PLAIN + unicode * _UNICODE


def _dotted(node: Node) -> str:
    """The whole name of a field such as "user.roles", given as a selection from "user"."""
    return f"{node.parts[0].name}.{node.name}"


def _field(name: str) -> Shape:
    kind = FIELDS[name].kind if name in FIELDS else ""
    if kind == "string":
        return Shape(_FIELD_CHARACTERS)
    if kind == "list(string)":
        return Shape(_FIELD_ENTRIES, Shape(64))
    return _SCALAR


def _largest(shapes: list[Shape]) -> Shape:
    """A shape that is at least as large as each of some shapes."""
    items = [each.item for each in shapes if each.item]
    length = max((each.length for each in shapes), default=0)
    return Shape(length, _largest(items) if items else None)
