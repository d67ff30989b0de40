"""Checks that a Redis keeps what it acknowledges: version, persistence, eviction and role."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis import exceptions
from underpaint.contract.errors import InvalidRequest, LedgerUnavailable
from underpaint.orchestrator.storage.redis.embedded import OLDEST

log = logging.getLogger(__name__)

_SETTINGS: Final = (
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory-policy",
)
# What each setting must be, and what happens otherwise.
_WANTED: Final = {
    "appendonly": ("yes", "all is lost when it restarts"),
    "appendfsync": ("always", "a power cut or a full disk loses what was acknowledged last"),
    "no-appendfsync-on-rewrite": ("no", "a power cut loses what was acknowledged last"),
    "maxmemory-policy": ("noeviction", "a full memory drops parts of the ledger"),
}

Ask = Callable[[tuple[str, ...]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found about a Redis, in sentences."""

    unusable: tuple[str, ...] = ()  # why it cannot be used at all
    unsafe: tuple[str, ...] = ()  # why it may lose acknowledged writes
    unknown: tuple[str, ...] = ()  # what it does not tell
    replica: bool = False


class SafetyCheck:
    """Checks a Redis on every new connection and regularly, and remembers the findings."""

    def __init__(self, *, accept_data_loss: bool = False) -> None:
        """With `accept_data_loss`, an unsafe Redis is used and only causes a warning."""
        self._accept = accept_data_loss
        self._found = Findings()

    async def look(self, ask: Ask) -> None:
        """Checks once.

        Raises:
            redis.exceptions.ReadOnlyError: it is a replica and cannot be written to.
            redis.exceptions.BusyLoadingError: it has just started; nothing is known yet.
        """
        found = await _examine(ask)
        if found.replica:
            raise exceptions.ReadOnlyError("it is a read-only replica")
        before, self._found = self._found, found
        if found == before:
            return
        for each in found.unknown:
            log.warning("this Redis does not say %s; make sure that it does not lose writes", each)
        if not (found.unusable or found.unsafe):
            if before.unusable or before.unsafe:
                log.warning("this Redis is safe again; promotions are accepted")
        elif self._accept and not found.unusable:
            log.warning("accepted with --accept-data-loss: %s", "; ".join(found.unsafe))
        else:
            log.critical("no promotions are accepted: %s", self._wrong())

    def check_at_start(self) -> None:
        """Raises InvalidRequest if this Redis is unusable, or unsafe and that is not accepted."""
        if wrong := self._wrong():
            raise InvalidRequest(wrong)

    def check(self) -> None:
        """As `check_at_start`, but raises LedgerUnavailable."""
        if wrong := self._wrong():
            raise LedgerUnavailable(
                f"no promotions are accepted until an operator has fixed this: {wrong}"
            )

    def _wrong(self) -> str:
        if self._found.unusable:
            return f"this Redis cannot be used: {'; '.join(self._found.unusable)}"
        if self._found.unsafe and not self._accept:
            return (
                f"this Redis may lose acknowledged promotions: {'; '.join(self._found.unsafe)}; "
                "change it in the server's configuration file, too, or start with "
                "--accept-data-loss"
            )
        return ""


async def _examine(ask: Ask) -> Findings:
    """Asks for INFO and CONFIG; a managed Redis may refuse either."""
    info, settings = "", {}
    try:
        info = (await ask(("INFO",))).decode()
    except exceptions.ResponseError as error:
        log.debug("INFO: %s", error)
    try:
        answer = await ask(("CONFIG", "GET", *_SETTINGS))
        if isinstance(answer, list):  # the old protocol alternates names and values
            answer = dict(zip(answer[::2], answer[1::2], strict=True))
        settings = {name.decode(): value.decode() for name, value in answer.items()}
    except exceptions.ResponseError as error:
        log.debug("CONFIG GET: %s", error)
    told = {name: value for name, _, value in (line.partition(":") for line in info.splitlines())}
    if told.get("loading", "0") != "0":
        # Until the append-only file is read, INFO says that there is none.
        raise exceptions.BusyLoadingError("it is still loading its data")
    return findings(told, settings)


def findings(info: Mapping[str, str], settings: Mapping[str, str]) -> Findings:
    """Judges the answers of INFO and CONFIG GET; what is missing there counts as unknown."""
    told = dict(settings)
    if "aof_enabled" in info:
        told["appendonly"] = "yes" if info["aof_enabled"] == "1" else "no"
    if "maxmemory_policy" in info:
        told["maxmemory-policy"] = info["maxmemory_policy"]
    unusable, unsafe = [], []
    version = info.get("redis_version", "")  # Valkey says 7.2 here, which it is compatible with
    oldest = ".".join(map(str, OLDEST))
    if version and _numbers(version) < OLDEST:
        unusable.append(f"it is version {version}; use Redis >= {oldest} or Valkey")
    if info.get("cluster_enabled", "0") != "0":
        unusable.append("it is in cluster mode; use one without cluster-enabled")
    for name, (wanted, otherwise) in _WANTED.items():
        if name.startswith(("appendfsync", "no-append")) and told.get("appendonly") == "no":
            continue  # there is nothing to fsync
        if told.get(name, wanted) != wanted:
            unsafe.append(f"{name} is {told[name]}, so {otherwise}: CONFIG SET {name} {wanted}")
    unknown = [f"what {name} is" for name in _WANTED if name not in told]
    return Findings(
        unusable=tuple(unusable),
        unsafe=tuple(unsafe),
        unknown=tuple(unknown) if version else ("its version", "its cluster mode", *unknown),
        replica=info.get("role", "master") != "master",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
