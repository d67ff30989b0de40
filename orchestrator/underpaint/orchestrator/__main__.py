"""`python -m underpaint.orchestrator`: reads the settings and runs an orchestrator."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
from typing import Any, NoReturn, get_args

import uvloop
from pydantic import ValidationError
from underpaint.contract.errors import InvalidRequest, LedgerUnavailable
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import PREFIX, Settings

WRONG_INPUT, OUT_OF_REACH = 2, 4


def main(arguments: list[str] | None = None) -> int:
    """Runs until a signal; returns the exit code."""
    try:
        settings = _settings(arguments)
        logging.basicConfig(
            level=settings.log_level, format="%(levelname).1s %(name)s: %(message)s"
        )
        # Keeps garbage collection from scanning imported modules each time, which delays calls.
        gc.freeze()
        return uvloop.run(_until_signalled(settings))
    except ValidationError as error:
        first = error.errors()[0]
        return _end(WRONG_INPUT, f"{_named(first['loc'][0])}: {first['msg']}")
    except InvalidRequest as error:
        return _end(WRONG_INPUT, str(error))
    except LedgerUnavailable as error:
        return _end(OUT_OF_REACH, str(error))
    except KeyboardInterrupt:
        return 130  # the shell's code for an interrupt; here, one that came during the start


async def _until_signalled(settings: Settings) -> int:
    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    await run(settings, stop, reload)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Prints one line instead of the whole usage, and exits."""
        self.exit(_end(WRONG_INPUT, f"{message}; see --help"))


def _settings(arguments: list[str] | None) -> Settings:
    """Reads the settings: flags win over the environment, which wins over the defaults."""
    parser = _Parser(
        prog="python -m underpaint.orchestrator",
        description="Underpaint's control plane: it prices promotions, applies the policy, keeps "
        "the ledger, and runs promotions on cloud engines.",
        epilog="Each flag can be set in the environment: UNDERPAINT_ORCHESTRATOR_LISTEN=HOST:PORT.",
        allow_abbrev=False,
    )
    for name, field in Settings.model_fields.items():
        told = field.description or ""
        if field.annotation is bool:
            parser.add_argument(_flag(name), action="store_true", default=None, help=told)
            continue
        default = "" if field.default in (None, "") else f" (default: {field.default})"
        default = " (required)" if field.is_required() else default
        parser.add_argument(_flag(name), metavar=_metavar(field.annotation), help=told + default)
    given: dict[str, Any] = {
        name: value
        for name, value in vars(parser.parse_args(arguments)).items()
        if value is not None
    }
    return Settings(**given)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _named(place: int | str) -> str:
    """The flag of a setting that pydantic names by its field or by its environment variable."""
    return _flag(str(place).removeprefix(PREFIX).lower())


def _metavar(annotation: Any) -> str:
    parts = get_args(annotation)
    # Path | None, or a path that is made whole: Annotated[Path, ...] | None.
    kinds = [annotation, *parts, *(inner for part in parts for inner in get_args(part))]
    names = {"Path": "PATH", "int": "N", "float": "N"}
    return next((names[k.__name__] for k in kinds if getattr(k, "__name__", "") in names), "TEXT")


def _end(code: int, message: str) -> int:
    print(f"underpaint orchestrator: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
