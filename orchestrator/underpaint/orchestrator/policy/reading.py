"""Reads a policy from YAML and checks it; reports all its errors at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, TypeVar

from underpaint.contract.durations import parse_duration
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import MAX_SIDE, MAX_STEPS, MIN_SIDE
from underpaint.contract.money import parse_usd
from underpaint.contract.policy import PolicyProblem
from underpaint.orchestrator.documents import Entry, parse, read_text
from underpaint.orchestrator.names import ROLE
from underpaint.orchestrator.policy.cost import MAX_POLICY_COST
from underpaint.orchestrator.policy.coverage import dead_rules
from underpaint.orchestrator.policy.expressions import Condition, Misworded, compile_condition
from underpaint.orchestrator.policy.fit import Limits
from underpaint.orchestrator.policy.rules import (
    Downgrade,
    Outcome,
    Policy,
    Refuse,
    RequireApproval,
    Route,
    Rule,
)

T = TypeVar("T")

MAX_RULES: Final = 200
MAX_BYTES: Final = 256 * 1024
TOO_LONG: Final = f"a policy may have {MAX_BYTES:,} bytes; use fewer or shorter rules"
LONGEST_APPROVAL_S: Final = 30 * 86_400
OUTCOMES: Final = ("route", "refuse", "require_approval", "downgrade")
FLAGGED: Final = ("charge", "release")
_SIZES: Final = frozenset({"num_inference_steps", "width", "height"})


def load(file: Path, priced: Collection[str], roles: Collection[str] | None = None) -> Policy:
    """Reads and checks a policy.

    Args:
        file: YAML.
        priced: the names of the engines that have a price.
        roles: the roles that callers have; None if they are not known.

    Raises:
        InvalidRequest: names every problem with its file and line.
    """
    return parse_policy(read_text(file), file, priced, roles)


def parse_policy(
    text: str, file: Path, priced: Collection[str] | None, roles: Collection[str] | None = None
) -> Policy:
    """As `load`, from a text.

    Args:
        text: YAML.
        file: the file's name in errors.
        priced: as for `load`; None allows any engine, for a policy of the past.
        roles: as for `load`.

    Raises:
        InvalidRequest: names every problem with its file and line.
    """
    policy, problems = check(text, file, priced, roles)
    if policy is None:
        raise InvalidRequest("; ".join(f"{file}:{each.line}: {each.told}" for each in problems))
    return policy


def check(
    text: str, file: Path, priced: Collection[str] | None, roles: Collection[str] | None = None
) -> tuple[Policy | None, tuple[PolicyProblem, ...]]:
    """The policy, or None and all its problems in the order of lines; arguments as above."""
    reader = _Reader(file, None if priced is None else frozenset(priced))
    policy = reader.policy(text)
    if policy and roles is not None:
        for role, line in policy.roles.items():
            if role not in roles:
                reader.tell(
                    line, f"nobody can approve: no caller has role {role!r}; see --callers-file"
                )
    found = dict.fromkeys(reader.problems)
    problems = tuple(sorted(found, key=lambda each: each.line))
    return (None if problems else policy), problems


class _Reader:
    """Reads one policy; notes each problem and continues."""

    def __init__(self, file: Path, priced: frozenset[str] | None) -> None:
        self._file = file
        self._priced = priced
        self.problems: list[PolicyProblem] = []

    def tell(self, line: int, told: str) -> None:
        """Notes a problem."""
        self.problems.append(PolicyProblem(line=line, told=told))

    def policy(self, text: str) -> Policy | None:
        """Reads the policy; None if there is any problem."""
        if len(text.encode()) > MAX_BYTES:
            self.tell(1, TOO_LONG)
            return None
        fields = self._try(lambda: parse(text, self._file).fields(required=frozenset({"rules"})))
        entries = self._try(lambda: list(fields["rules"])) if fields else None
        if not fields or entries is None:
            return None
        if len(entries) > MAX_RULES:
            self._wrong(fields["rules"], f"are {len(entries)}; at most {MAX_RULES} are allowed")
            return None
        rules: list[Rule] = []
        names: dict[str, int] = {}
        for entry in entries:
            rule = self._rule(entry, names)
            if rule:
                rules.append(rule)
        if not entries:
            self._wrong(fields["rules"], "holds no rule")
        elif not self.problems and not any(rule.engine for rule in rules):
            self._wrong(fields["rules"], "route nothing: add a rule with `route: ENGINE`")
        self._bound(rules)
        for rule, why in dead_rules(rules, self._priced) if self._priced is not None else ():
            self.tell(rule.line, f"rule {rule.name!r} can never decide: {why}")
        if self.problems:
            return None
        version = hashlib.sha256(text.encode()).hexdigest()
        return Policy(version=version, text=text, rules=tuple(rules))

    def _rule(self, entry: Entry, names: dict[str, int]) -> Rule | None:
        fields = self._try(
            lambda: entry.fields(
                required=frozenset({"name"}), optional=frozenset({"when", *OUTCOMES})
            )
        )
        if fields is None:
            return None
        line = entry.line
        name = self._try(fields["name"].text)
        if name in names:
            self._wrong(
                entry, f"is a second rule named {name!r}; the first is in line {names[name]}"
            )
        elif name:
            names[name] = line
        when = self._condition(fields["when"]) if "when" in fields else None
        given = [each for each in OUTCOMES if each in fields]
        outcome = None
        if len(given) != 1:
            self._wrong(entry, f"needs one outcome: {', '.join(OUTCOMES[:-1])} or {OUTCOMES[-1]}")
        else:
            outcome = self._outcome(given[0], fields[given[0]])
        if name is None or outcome is None or ("when" in fields and when is None):
            return None
        return Rule(name=name, line=line, when=when, outcome=outcome)

    def _bound(self, rules: Sequence[Rule]) -> None:
        """Notes the rule at which the conditions so far may take too long together."""
        cost = 0
        for rule in rules:
            before, cost = cost, cost + (rule.when.cost if rule.when else 0)
            if before <= MAX_POLICY_COST < cost:
                self.tell(
                    rule.line,
                    f"up to rule {rule.name!r} the conditions may take {cost:,} steps together; "
                    f"at most {MAX_POLICY_COST:,} are allowed; use fewer rules, loops and patterns",
                )

    def _condition(self, entry: Entry) -> Condition | None:
        if not entry.is_text:
            self._wrong(entry, "must be one condition, such as quote.max_usd_micros > 1000000")
            return None
        text = self._try(entry.text)
        if text is None:
            return None
        try:
            return compile_condition(text)
        except Misworded as wrong:
            for below, told in wrong.problems:
                self.tell(entry.text_line + below, f"{entry.name}: {told}")
            return None

    def _outcome(self, kind: str, entry: Entry) -> Outcome | None:
        if kind == "refuse":
            reason = self._try(entry.text)
            return Refuse(reason=reason) if reason else None
        if kind == "route" and entry.is_text:
            engine = self._try(lambda: self._engine(entry))
            return Route(engine=engine) if engine else None
        required = {"engine"} | ({"role", "within"} if kind == "require_approval" else set())
        optional = {"most", "ceiling_usd", "flagged"} | (
            {"least"} if kind == "downgrade" else set()
        )
        fields = self._try(
            lambda: entry.fields(required=frozenset(required), optional=frozenset(optional))
        )
        if fields is None:
            return None
        engine = self._try(lambda: self._engine(fields["engine"]))
        most = self._limits(fields.get("most"))
        least = self._limits(fields.get("least"))
        ceiling = (
            self._try(lambda: _dollars(fields["ceiling_usd"])) if "ceiling_usd" in fields else None
        )
        flagged = self._try(lambda: _flagged(fields["flagged"])) if "flagged" in fields else False
        if engine is None or flagged is None:
            return None
        if kind == "route":
            return Route(
                engine=engine, most=most, ceiling_usd_micros=ceiling, charges_flagged=flagged
            )
        if kind == "downgrade":
            if not {"ceiling_usd", "most"} & fields.keys():
                self._wrong(entry, "needs a ceiling_usd or a most to fit")
            for name in _SIZES:
                low, high = getattr(least, name), getattr(most, name)
                if low is not None and high is not None and low > high:
                    self._wrong(fields["least"], f"has a {name} above that of most")
            return Downgrade(
                engine=engine,
                most=most,
                ceiling_usd_micros=ceiling,
                charges_flagged=flagged,
                least=least,
            )
        role = self._try(lambda: _role(fields["role"]))
        within_s = self._try(lambda: _duration(fields["within"]))
        if role is None or within_s is None:
            return None
        return RequireApproval(
            engine=engine,
            most=most,
            ceiling_usd_micros=ceiling,
            charges_flagged=flagged,
            role=role,
            within_s=within_s,
        )

    def _engine(self, entry: Entry) -> str:
        engine = entry.text()
        if self._priced is not None and engine not in self._priced:
            raise entry.wrong(
                f"names engine {engine!r}, which has no price; "
                f"priced: {', '.join(sorted(self._priced))}"
            )
        return engine

    def _limits(self, entry: Entry | None) -> Limits:
        if entry is None:
            return Limits()
        fields = self._try(lambda: entry.fields(optional=_SIZES)) or {}
        found: dict[str, int | None] = {}
        for name, value in fields.items():
            low, high = (1, MAX_STEPS) if name == "num_inference_steps" else (MIN_SIDE, MAX_SIDE)
            found[name] = self._number(value, low, high)
        return Limits(**found)

    def _number(self, entry: Entry, low: int, high: int) -> int | None:
        return self._try(lambda: entry.whole(low, high))

    def _try(self, read: Callable[[], T]) -> T | None:
        """The result of `read`; None if it fails, with its problem noted."""
        try:
            return read()
        except InvalidRequest as error:
            place, _, told = str(error).removeprefix(f"{self._file}:").partition(": ")
            if place.isdigit():
                self.tell(int(place), told)
            else:  # a problem of the whole document
                self.tell(1, str(error))
            return None

    def _wrong(self, entry: Entry, told: str) -> None:
        self.tell(entry.line, f"{entry.name or 'the document'} {told}")


def _dollars(entry: Entry) -> int:
    try:
        return parse_usd(entry.text())
    except InvalidRequest as error:
        raise entry.wrong(str(error)) from None


def _flagged(entry: Entry) -> bool:
    """Whether a picture that a safety checker flags is charged."""
    if entry.text() not in FLAGGED:
        raise entry.wrong(f"is {entry.text()!r}; use {' or '.join(FLAGGED)}")
    return entry.text() == "charge"


def _duration(entry: Entry) -> int:
    try:
        seconds = parse_duration(entry.text())
    except InvalidRequest as error:
        raise entry.wrong(str(error)) from None
    if not 1 <= seconds <= LONGEST_APPROVAL_S:
        raise entry.wrong("must be 1s to 30d")
    return seconds


def _role(entry: Entry) -> str:
    role = entry.text()
    if not ROLE.fullmatch(role):
        raise entry.wrong(f"is {role!r}; use 1 to 64 of A-Z a-z 0-9 . _ -")
    return role
