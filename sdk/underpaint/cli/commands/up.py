"""The commands `up` and `down`: start and stop all services on one machine."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text
from underpaint.cli import additions as added
from underpaint.cli import hardware
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.exits import DONE, FAILED
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked, one_line
from underpaint.contract.money import parse_usd
from underpaint.contract.paths import expanded_name
from underpaint.local import stack
from underpaint.local.lock import stop, take_lock
from underpaint.local.stack import StackOptions
from underpaint.local.supervisor import ChildGaveUp, Phase, Status, Supervisor
from underpaint.sdk.discovery import STATE, Running

_STYLES = {Phase.HEALTHY: "green", Phase.RESTARTING: "yellow", Phase.STOPPED: "dim"}
_BUSY = (Phase.STARTING, Phase.RESTARTING, Phase.STOPPING)
_QUIET = (Phase.WAITING, Phase.STARTING, Phase.STOPPED)

Port = Annotated[int, typer.Option(help="0 chooses a free port.")]


async def up(
    context: CommandContext,
    redis_url: Annotated[
        str, typer.Option(help="Your Redis >= 7.2 or Valkey, instead of the embedded one.")
    ] = "",
    lite: Annotated[str, typer.Option(metavar="DIR|ID|FILE", help="The edge's model.")] = "",
    full: Annotated[str, typer.Option(metavar="DIR|ID|FILE", help="The cloud's model.")] = "",
    device: hardware.Device = [],  # noqa: B006 - typer copies it
    dtype: hardware.Dtype = [],  # noqa: B006
    offload: hardware.Offload = [],  # noqa: B006
    compile: hardware.Compile = [],  # noqa: A002, B006
    quantise: hardware.Quantise = [],  # noqa: B006
    lora: added.Lora = [],  # noqa: B006
    embedding: added.Embedding = [],  # noqa: B006
    control: added.Control = None,
    tiny_vae: added.TinyVae = False,
    edge_port: Port = stack.EDGE_PORT,
    orchestrator_port: Port = stack.ORCHESTRATOR_PORT,
    cloud_port: Port = stack.CLOUD_PORT,
    no_cloud: Annotated[
        bool, typer.Option("--no-cloud", help="Start only the edge node, offline.")
    ] = False,
    prices: Annotated[Path | None, typer.Option(help="A price table, YAML.")] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy, YAML.")] = None,
    callers_file: Annotated[
        Path | None, typer.Option(help="Callers with their tokens and roles, YAML.")
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="USD", help="The budget, if there is none yet.")
    ] = "",
) -> object:
    """Start all services here. Ctrl-C, SIGTERM or `underpaint down` stops them; the data stays."""
    if budget:
        parse_usd(budget)  # checked now, not only after the first services have started
    lite_placement, full_placement = hardware.by_engine(
        device=device, dtype=dtype, offload=offload, compile=compile, quantise=quantise
    )
    lite_added, full_added = added.additions(
        lora=lora, embedding=embedding, control=control, tiny_vae=tiny_vae
    )
    options = StackOptions(
        data_dir=context.settings.data_directory,
        edge_port=edge_port,
        orchestrator_port=orchestrator_port,
        cloud_port=cloud_port,
        cloud=not no_cloud,
        redis_url=redis_url,
        lite=expanded_name(lite),
        full=expanded_name(full),
        lite_placement=lite_placement,
        full_placement=full_placement,
        lite_added=lite_added,
        full_added=full_added,
        prices=prices,
        policy=policy,
        callers_file=callers_file,
        budget_usd=budget,
        tls_dir=context.settings.tls_dir,
    )
    with _signals_cancel():
        try:
            async with running(context, options) as (supervisor, state):
                _print_addresses(context, state)
                context.print_json(state)
                await supervisor.watch()
        except asyncio.CancelledError:
            # The ordinary end: asked to stop, and all is stopped.
            context.err.print(f"stopped; the data stays in {options.data_dir}", soft_wrap=True)
        except ChildGaveUp as error:
            for line in error.tail:
                context.err.print(f"  | {one_line(line)}", soft_wrap=True, style="dim")
            raise
    raise Ended(DONE)


async def down(
    context: CommandContext,
    timeout: Annotated[  # noqa: ASYNC109 - for the one who waits, of another process
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for its end.")
    ] = 120.0,
) -> object:
    """Stop everything that `up` started, in whatever terminal; the data stays."""
    data_dir = context.settings.data_directory
    found = await stop(data_dir, timeout)
    if found is None:
        context.out.print(f"nothing runs on {data_dir}", soft_wrap=True)
        return {"stopped": False, "pid": None, "services": []}
    services = list(found.addresses)
    result = {"stopped": found.stopped, "pid": found.pid, "services": services}
    what = f"`underpaint up` with process id {found.pid}"
    if services:
        what += f" and its {', '.join(services)}"
    if not found.stopped:
        context.err.print(
            f"{what} was told to stop and still runs; its logs are in {data_dir / 'logs'}, "
            f"and `kill -9 {found.pid}` ends it at once",
            soft_wrap=True,
        )
        raise Ended(FAILED, result)
    context.out.print(f"stopped {what}; the data stays in {data_dir}", soft_wrap=True)
    return result


@asynccontextmanager
async def running(
    context: CommandContext, options: StackOptions
) -> AsyncIterator[tuple[Supervisor, Running]]:
    """Starts all services, and stops them at the end of the block.

    Raises:
        InvalidRequest: the data directory or a port is in use, or a service refused its settings.
        ChildGaveUp: a service keeps crashing.
    """
    lock = take_lock(options.data_dir)
    try:
        view = _View(context)
        supervisor = Supervisor(
            stack.plan(options), options.data_dir, changed=view.changed, slow=view.slow
        )
        view.statuses = list(supervisor.statuses.values())

        def write() -> Running:
            state = Running(
                pid=os.getpid(),
                addresses={s.name: s.address for s in view.statuses},
                pids={n: c.pid for n, c in supervisor.children.items() if c.pid},
                seconds={s.name: round(s.start_seconds or 0.0, 2) for s in view.statuses},
                total_seconds=round(supervisor.total_seconds, 2),
            )
            state.write(options.data_dir)
            return state

        try:
            async with supervisor:
                with view.moving():
                    await supervisor.started()
                state = write()
                view.restarted = write
                yield supervisor, state
        finally:
            (options.data_dir / STATE).unlink(missing_ok=True)
    finally:
        os.close(lock)


class _View:
    """Shows the services: a live table in a terminal, otherwise a line for each change."""

    def __init__(self, context: CommandContext) -> None:
        self._stage = context.stage
        self._spinner = Spinner("dots" if context.stage.draws_blocks else "line")
        self.statuses: list[Status] = []
        self.restarted: Callable[[], object] | None = None
        self._starting = context.stage.is_terminal

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Shows the live table while services start."""
        if not self._stage.is_terminal:
            yield
            return
        try:
            with Live(console=self._stage, transient=True, get_renderable=self._render):
                yield
        finally:
            self._starting = False

    def changed(self, status: Status) -> None:
        """Shows that a service has entered a phase."""
        if self.restarted and status.phase is Phase.HEALTHY:
            self.restarted()
        if self._starting or (status.phase in _QUIET and not status.restarts):
            return
        line = f"{status.name} {status.phase.value}"
        if status.phase is Phase.HEALTHY and not status.restarts:
            line += f" after {status.start_seconds:.1f} s at {status.address}"
        self._stage.print(line, soft_wrap=True, style="" if status.restarts else "dim")

    def slow(self, why: str) -> None:
        """Shows that a service is slow to start."""
        self._stage.print(why, soft_wrap=True, markup=False, style="yellow")

    def _render(self) -> RenderableType:
        table = Sheet()
        for status in self.statuses:
            busy = status.phase in _BUSY
            seconds = time.monotonic() - status.since if busy else status.start_seconds
            style = _STYLES.get(status.phase, "dim")
            table.add_row(
                self._spinner if busy else Text("✓" if seconds is not None else "·", style=style),
                Text(status.name, style="bold"),
                Text(status.phase.value, style=style),
                Text(f"{seconds:6.1f} s" if seconds is not None else ""),
                Text(status.address if status.phase is Phase.HEALTHY else "", style="dim"),
            )
        return table


def _print_addresses(context: CommandContext, state: Running) -> None:
    table = Sheet()
    for name, address in state.addresses.items():
        table.add_row(
            Text("✓", style="green"),
            Text(name, style="bold"),
            address,
            Text(f"{state.seconds[name]:6.1f} s", style="dim"),
        )
    context.out.print(table)
    stops = f"`underpaint down` or `kill {state.pid}` stops it"
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in a script's background
        stops = "Ctrl-C stops it, and so does `underpaint down`"
    context.out.print(marked("[green]ready[/] after {} s; {}", f"{state.total_seconds:.1f}", stops))
    context.out.print(marked('[dim]now, elsewhere:[/] underpaint draft "PROMPT" -n 8 --seed 7'))


@contextmanager
def _signals_cancel() -> Iterator[None]:
    """Makes SIGTERM and a closed terminal cancel this command, as Ctrl-C does.

    A signal that was ignored at the start stays ignored: SIGHUP under `nohup`, and SIGINT in the
    background of a script.
    """
    loop, command = asyncio.get_running_loop(), asyncio.current_task()
    signals = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, command.cancel if command else loop.stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
