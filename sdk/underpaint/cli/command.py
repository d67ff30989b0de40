"""The common part of all commands: options, output, errors and exit codes."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Callable, Coroutine
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec, get_type_hints

import typer
from underpaint.cli import exits
from underpaint.cli.output.console import SafeConsole
from underpaint.cli.output.files import NotWritten
from underpaint.cli.output.json import document
from underpaint.cli.output.legible import one_line
from underpaint.cli.output.terminal import protocol
from underpaint.contract.errors import InvalidRequest, UnderpaintError
from underpaint.contract.paths import expanded
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.settings import Settings, read_settings

P = ParamSpec("P")

_PANEL: Final = "Where and how"
# Options of every command. If one is not given, UNDERPAINT_* or the running `up` decides.
COMMON: Final[dict[str, Any]] = {
    "data_dir": Annotated[
        Path | None,
        typer.Option(help="The data directory of `up`.", rich_help_panel=_PANEL),
    ],
    "edge": Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The edge node.", rich_help_panel=_PANEL),
    ],
    "orchestrator": Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The orchestrator.", rich_help_panel=_PANEL),
    ],
    "token_file": Annotated[
        Path | None,
        typer.Option(help="A file with the token.", rich_help_panel=_PANEL),
    ],
    "tls_dir": Annotated[
        Path | None,
        typer.Option(
            help="Directory with ca.pem, cert.pem and key.pem, to use TLS.", rich_help_panel=_PANEL
        ),
    ],
    "as_json": Annotated[
        bool,
        typer.Option(
            "--json", help="Print JSON to stdout, all else to stderr.", rich_help_panel=_PANEL
        ),
    ],
}


class CommandContext:
    """The settings, the client and the output of one command."""

    def __init__(self, settings: Settings, *, as_json: bool) -> None:
        self.settings = settings
        self.as_json = as_json
        # Output for people. In JSON mode only the document may reach stdout.
        self.out = SafeConsole(sys.stdout, quiet=as_json)
        self.err = SafeConsole(sys.stderr)

    @cached_property
    def client(self) -> AsyncUnderpaint:
        """The client. Raises ServiceUnreachable if no address is known."""
        return AsyncUnderpaint.from_settings(self.settings)

    @property
    def stage(self) -> SafeConsole:
        """The console for moving output such as progress: stdout in a terminal, else stderr."""
        return self.out if self.out.is_terminal and not self.as_json else self.err

    @property
    def pictures(self) -> bool:
        """Whether pictures can be shown in the terminal."""
        return (
            self.out.is_terminal
            and not self.as_json
            and (self.out.draws_blocks or protocol() != "blocks")
        )

    @property
    def asks(self) -> bool:
        """Whether a person can be asked: stdin is a terminal and the output is not JSON."""
        return sys.stdin.isatty() and not self.as_json

    def confirm(self, question: str) -> bool:
        """Asks a yes-or-no question on stderr; Ctrl-C and Ctrl-D mean no."""
        try:
            return typer.confirm(question, err=True)
        except typer.Abort:
            return False

    def print_json(self, value: object) -> None:
        """In JSON mode, prints a document at once; for commands that keep running."""
        if self.as_json:
            _print_json(value)

    async def close(self) -> None:
        """Closes the client, if one was made."""
        if "client" in self.__dict__:
            await self.client.close()


class Ended(Exception):  # not a domain error: the command has already printed its message
    """Ends a command with an exit code and, in JSON mode, a document."""

    def __init__(self, code: int, result: object = None) -> None:
        super().__init__(code)
        self.code = code
        self.result = result


def add_command(
    app: typer.Typer,
    name: str,
    body: Callable[Concatenate[CommandContext, P], Coroutine[Any, Any, object]],
) -> None:
    """Makes an async function a command; its return value is the command's JSON document."""
    app.command(name)(_command(body))


def add_default(
    app: typer.Typer, body: Callable[Concatenate[CommandContext, P], Coroutine[Any, Any, object]]
) -> None:
    """Makes an async function the default command of a group."""
    app.callback(invoke_without_command=True)(_command(body, of_group=True))


def _command(
    body: Callable[..., Coroutine[Any, Any, object]], *, of_group: bool = False
) -> Callable[..., None]:
    def run(**arguments: Any) -> None:
        context = arguments.pop("context", None)
        if context is not None and context.invoked_subcommand:
            return
        given = {key: arguments.pop(key) for key in COMMON}
        as_json = bool(given.pop("as_json"))
        raise typer.Exit(_run(body, given, arguments, as_json=as_json))

    hints = get_type_hints(body, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=keyword)
        for parameter in list(inspect.signature(body).parameters.values())[1:]
    ]
    common = [
        inspect.Parameter(
            key, keyword, default=False if key == "as_json" else None, annotation=annotation
        )
        for key, annotation in COMMON.items()
    ]
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    parameters = [*([context] if of_group else []), *own, *common]
    run.__doc__ = body.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    # Typer reads a command's options from its signature.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _run(
    body: Callable[..., Coroutine[Any, Any, object]],
    given: dict[str, Any],
    arguments: dict[str, Any],
    *,
    as_json: bool,
) -> int:
    """Runs a command and returns its exit code; prints an error as one line."""
    try:
        settings = read_settings(**{key: v for key, v in given.items() if v is not None})
        arguments = {key: _as_meant(value) for key, value in arguments.items()}
    except InvalidRequest as error:
        return _tell(error, as_json=as_json)
    context = CommandContext(settings, as_json=as_json)

    async def work() -> object:
        try:
            return await body(context, **arguments)
        finally:
            await context.close()

    try:
        result = asyncio.run(work())
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except Ended as end:
        if as_json and end.result is not None:
            _print_json(end.result)
        return end.code
    except (UnderpaintError, NotWritten) as error:
        return _tell(error, as_json=as_json)
    except Exception as error:
        if settings.debug:
            context.err.print_exception()
        return _tell(error, as_json=as_json)
    if as_json:
        _print_json(result)
    return exits.DONE


def _as_meant(value: object) -> object:
    """An argument, with the `~` of a path replaced.

    Raises:
        InvalidRequest: the home directory is not known, or a text is not valid UTF-8.
    """
    if isinstance(value, Path):
        return expanded(value)
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"{value!a} is not valid UTF-8; write it again") from None
    return [_as_meant(one) for one in value] if isinstance(value, list) else value


def _print_json(result: object) -> None:
    # Only ASCII, because it may be shown in a terminal and contains other people's texts.
    sys.stdout.write(json.dumps(document(result), indent=2) + "\n")
    sys.stdout.flush()


def _tell(error: Exception, *, as_json: bool) -> int:
    """Prints an error as one line to stderr and, in JSON mode, as a document to stdout."""
    if isinstance(error, UnderpaintError):
        message = str(error)
        code = exits.exit_code(error)
    elif isinstance(error, NotWritten):
        message = str(error)
        code = exits.NOT_WRITTEN
    else:
        message = (
            f"unexpected {type(error).__name__}: {error}; "
            "set UNDERPAINT_DEBUG=1 to see where it came from"
        )
        code = exits.FAILED
    message = one_line(message)
    # Not through rich, which would wrap the line and read brackets as markup.
    label = "\x1b[1;31merror:\x1b[0m" if sys.stderr.isatty() else "error:"
    sys.stderr.write(f"{label} {message}\n")
    if as_json:
        _print_json({"error": {"kind": type(error).__name__, "message": message, "exit": code}})
    return code
