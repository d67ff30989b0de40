"""Conditions in CEL, the Common Expression Language; the one place that knows the library.

`cel-expr-python` is Google's own binding of its C++ implementation (Apache-2.0, wheels for
Linux and macOS). Of the three on PyPI only it checks types when an expression is compiled,
so an unknown field or a wrong comparison is found when a policy is loaded, not by the first
promotion that meets it: `common-expression-language` (Rust) compiles `draft.privcy > 3`
without a word, and so does `cel-python`. Five conditions take it 12 us, the Rust one 14 to 61
and the pure Python one 585. Regular expressions are RE2's, which take linear time.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cel_expr_python import cel
from underpaint.contract.money import format_usd
from underpaint.orchestrator.policy.cost import Costly, cost_of
from underpaint.orchestrator.policy.facts import FIELDS, Fact, Facts
from underpaint.orchestrator.policy.syntax import tree

MAX_LENGTH: Final = 2_000  # characters of one condition
_TYPES: Final[Mapping[str, Any]] = {
    "string": cel.Type.STRING,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "timestamp": cel.Type.TIMESTAMP,
    "list(string)": cel.Type.List(cel.Type.STRING),
}
# Fields are declared with their dots in their names: no message has to be built for each
# decision, and an unknown one is an error of the type check.
_ENVIRONMENT: Final = cel.NewEnv(
    variables={name: _TYPES[each.kind] for name, each in FIELDS.items()}
)
_write: Final = json.JSONEncoder(ensure_ascii=False).encode
_ERROR: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'.*")
_TEXT: Final = re.compile(r"""(?s)'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
_NAME: Final = re.compile(r"\b([a-z]+)\s*\.\s*([a-z_]+)")


class Unjudged(Exception):
    """A condition that has no answer: it divides by zero, or what it looks at is not known."""


class Misworded(Exception):
    """A condition that cannot be compiled; each problem with its line in it, from 0."""

    def __init__(self, problems: tuple[tuple[int, str], ...]) -> None:
        super().__init__("; ".join(problem for _, problem in problems))
        self.problems = problems


class Scene:
    """The facts of one decision, made ready once for all conditions."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._activation = _ENVIRONMENT.Activation(facts)
        self._shown: dict[str, str] = {}

    def shown(self, names: Sequence[str]) -> dict[str, str]:
        """Those of some facts that are known, as JSON; each is written once for all rules."""
        known = self._shown
        for name in names:
            if name not in known and name in self._facts:
                known[name] = shown(self._facts[name])
        return {name: known[name] for name in names if name in known}

    def value(self, program: Any) -> bool:
        """Raises Unjudged if there is no answer."""
        try:
            answer = program.eval(self._activation).value()
        except RuntimeError as error:  # such as its budget of 10,000 iterations
            raise Unjudged(_told(str(error))) from None
        if isinstance(answer, bool):
            return answer
        missing = re.search(r'No value with name "([^"]*)"', str(answer))
        if missing:
            raise Unjudged(f"{missing[1]} is not known")
        raise Unjudged(_told(str(answer)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A compiled condition; equal to another if the text is."""

    text: str
    fields: tuple[str, ...]  # it looks at, in their order of appearance
    cost: int  # steps it takes at most
    _program: Any = field(repr=False, compare=False)

    def holds(self, scene: Scene) -> bool:
        """Raises Unjudged if there is no answer."""
        return scene.value(self._program)

    def __reduce__(self) -> tuple[Callable[[str], Condition], tuple[str]]:
        """Between processes only the text travels; it is compiled anew."""
        return compile_condition, (self.text,)


def compile_condition(text: str) -> Condition:
    """A condition, its types checked and its cost bounded.

    Raises:
        Misworded: with every problem found.
    """
    if len(text) > MAX_LENGTH:
        raise Misworded(((0, f"has {len(text):,} characters; at most {MAX_LENGTH:,} are taken"),))
    if "\0" in text:  # the library would take what stands before it for the whole
        raise Misworded(((0, "has a NUL in it"),))
    try:
        program = _ENVIRONMENT.compile(text)
    except RuntimeError as error:
        raise Misworded(_problems(str(error))) from None
    kind = program.return_type()
    if kind != cel.Type.BOOL:
        told = f"is {kind.name()}, not true or false; compare it with something"
        raise Misworded(((0, told),))
    try:
        cost = cost_of(tree(program.serialize()))
    except Costly as problem:
        raise Misworded(((0, str(problem)),)) from None
    return Condition(text=text, fields=fields_of(text), cost=cost, _program=program)


def fields_of(text: str) -> tuple[str, ...]:
    """The fields an expression names, outside its strings."""
    names = (f"{one}.{two}" for one, two in _NAME.findall(_TEXT.sub("''", text)))
    return tuple(dict.fromkeys(name for name in names if name in FIELDS))


def shown(fact: Fact) -> str:
    """A fact as JSON; a time as ISO 8601."""
    return _write(fact.isoformat() if isinstance(fact, datetime) else fact)


def in_words(saw: Mapping[str, str]) -> str:
    """Such as "draft.privacy is "full", quote.max_usd_micros is 84400 ($0.0844)"."""
    return ", ".join(
        f"{name} is {value}"
        + (f" ({format_usd(int(value))})" if name.endswith("_usd_micros") else "")
        for name, value in saw.items()
    )


def _problems(told: str) -> tuple[tuple[int, str], ...]:
    found = []
    for line, column, problem in _ERROR.findall(told):
        undeclared = _UNDECLARED.fullmatch(problem)
        if undeclared:
            problem = _unknown(undeclared[1])
        found.append((int(line) - 1, f"column {column} of the condition: {problem}"))
    # Without a place: such as an expression that is nested too deeply.
    return tuple(found) or ((0, _told(told)),)


def _told(message: str) -> str:
    """What the library says, without its codes and in one line."""
    words = " ".join(message.split())
    return words.partition(": ")[2].partition(" [")[0].lower() or words


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, FIELDS, n=1)
    if near:
        return f"{name} is unknown; did you mean {near[0]}?"
    if "." not in name:
        inside = [each for each in FIELDS if each.startswith(f"{name}.")]
        return f"{name} is unknown; known: {', '.join(inside or FIELDS)}"
    return f"{name} is unknown; known: {', '.join(FIELDS)}"
