"""Conditions in CEL, the Common Expression Language. Only this module uses the library.

The library is `cel-expr-python`, Google's binding of its C++ implementation (Apache-2.0, wheels
for Linux and macOS). Of the three on PyPI only this one checks types when it compiles, so an
unknown field or a wrong comparison is found when a policy is loaded. `common-expression-language`
(Rust) and `cel-python` both compile `draft.privcy > 3` without an error. It evaluates five
conditions in 12 us; the Rust library takes 14 to 61 us and the pure Python one 585 us. Regular
expressions are RE2's, which take linear time.
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
# Fields are declared as variables with dots in their names: no message has to be built for each
# decision, and the type check finds unknown fields.
_ENVIRONMENT: Final = cel.NewEnv(
    variables={name: _TYPES[each.kind] for name, each in FIELDS.items()}
)
_write: Final = json.JSONEncoder(ensure_ascii=False).encode
_ERROR: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'.*")
_TEXT: Final = re.compile(r"""(?s)'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
_NAME: Final = re.compile(r"\b([a-z]+)\s*\.\s*([a-z_]+)")


class Unjudged(Exception):
    """A condition cannot be evaluated: it divides by zero, or uses a fact that is not known."""


class Misworded(Exception):
    """A condition that cannot be compiled. Each problem has its line in the condition, from 0."""

    def __init__(self, problems: tuple[tuple[int, str], ...]) -> None:
        super().__init__("; ".join(problem for _, problem in problems))
        self.problems = problems


class Scene:
    """The facts of one decision, prepared once for all conditions."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._activation = _ENVIRONMENT.Activation(facts)
        self._shown: dict[str, str] = {}

    def shown(self, names: Sequence[str]) -> dict[str, str]:
        """Some facts as JSON, without those that are not known; each is converted only once."""
        known = self._shown
        for name in names:
            if name not in known and name in self._facts:
                known[name] = shown(self._facts[name])
        return {name: known[name] for name in names if name in known}

    def value(self, program: Any) -> bool:
        """Evaluates a condition. Raises Unjudged if that is not possible."""
        try:
            answer = program.eval(self._activation).value()
        except RuntimeError as error:  # such as more than the library's 10,000 iterations
            raise Unjudged(_told(str(error))) from None
        if isinstance(answer, bool):
            return answer
        missing = re.search(r'No value with name "([^"]*)"', str(answer))
        if missing:
            raise Unjudged(f"{missing[1]} is not known")
        raise Unjudged(_told(str(answer)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A compiled condition. Conditions with the same text are equal."""

    text: str
    fields: tuple[str, ...]  # the fields that it uses, in order of appearance
    cost: int  # the most steps that it can take
    _program: Any = field(repr=False, compare=False)

    def holds(self, scene: Scene) -> bool:
        """Whether it is true. Raises Unjudged if it cannot be evaluated."""
        return scene.value(self._program)

    def __reduce__(self) -> tuple[Callable[[str], Condition], tuple[str]]:
        """Pickles only the text; it is compiled again when unpickled."""
        return compile_condition, (self.text,)


def compile_condition(text: str) -> Condition:
    """Compiles a condition; checks its types and its cost.

    Raises:
        Misworded: it has problems; holds all of them.
    """
    if len(text) > MAX_LENGTH:
        raise Misworded(((0, f"has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed"),))
    if "\0" in text:  # the library would ignore everything after it
        raise Misworded(((0, "contains a NUL character"),))
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
    """The fields that an expression names, outside its strings."""
    names = (f"{one}.{two}" for one, two in _NAME.findall(_TEXT.sub("''", text)))
    return tuple(dict.fromkeys(name for name in names if name in FIELDS))


def shown(fact: Fact) -> str:
    """A fact as JSON; a time as ISO 8601."""
    return _write(fact.isoformat() if isinstance(fact, datetime) else fact)


def in_words(saw: Mapping[str, str]) -> str:
    """Facts in words: draft.privacy is "full", quote.max_usd_micros is 84400 ($0.0844)."""
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
    # Some problems have no position, such as an expression that is nested too deeply.
    return tuple(found) or ((0, _told(told)),)


def _told(message: str) -> str:
    """A message of the library in one line, without its codes."""
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
