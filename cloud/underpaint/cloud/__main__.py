"""`python -m underpaint.cloud`: runs Ray, Serve and the engine until it is stopped."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from pydantic import ValidationError
from underpaint.cloud.leftovers import Leftovers
from underpaint.cloud.settings import PREFIX, Settings
from underpaint.contract.errors import InvalidRequest, UnderpaintError
from underpaint.contract.rim import check_exposure, read_token
from underpaint.contract.tls import read_certificates
from underpaint.engines.options import AdditionSettings
from underpaint.engines.starting import check_start

# Ray's processes follow a killed cloud within some seconds; its port is free only then.
_AFTERLIFE_S: Final = 15


class Stop(BaseException):
    """SIGTERM or SIGINT arrived during the start."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Prints one line instead of the whole usage, and exits."""
        self.exit(2, f"underpaint cloud: {message}; see --help\n")


def parser() -> argparse.ArgumentParser:
    """The flags of Settings, without defaults: a missing flag leaves it to the environment."""
    flags = _Parser(
        prog="python -m underpaint.cloud", description=__doc__, argument_default=argparse.SUPPRESS
    )
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        if field.annotation is bool:
            flags.add_argument(flag, action="store_true", help=field.description)
        elif name in AdditionSettings.model_fields:
            flags.add_argument(flag, action="append", metavar="FILE", help=field.description)
        else:
            flags.add_argument(
                flag, metavar=name.rpartition("_")[2].upper(), help=field.description
            )
    return flags


def main(arguments: list[str] | None = None) -> int:
    """Runs until a signal. Returns 0 when stopped, 2 for wrong input, 1 for any other failure."""
    given = vars(parser().parse_args(arguments))
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).removeprefix(PREFIX).lower()
        flag = "--" + name.replace("_", "-")
        print(f"underpaint cloud: {flag}: {first['msg']}", file=sys.stderr)
        return 2
    stopping = threading.Event()
    starting = True

    def on_signal(_: int, __: FrameType | None) -> None:
        # Further signals while stopping are ignored.
        if starting and not stopping.is_set():
            stopping.set()
            raise Stop
        stopping.set()

    try:
        _check_listener(settings, token=read_token(settings.token_file))
        check_start(settings.model, settings.options)
        if not settings.ray_address:
            settings.engine_placement.check_installed()
        with _locked(settings.data_dir) as was_killed, ExitStack() as stack:
            _check_port(settings, patience_s=_AFTERLIFE_S if was_killed else 0)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, on_signal)
            leftovers = Leftovers()
            stack.callback(leftovers.dismiss)
            from underpaint.cloud.cluster import Cluster

            with Cluster(settings, _tell, leftovers) as cluster:
                starting = False
                _tell(f"underpaint cloud listening on {settings.listen}")
                while not stopping.wait(1):
                    if cluster.dead():
                        print(f"underpaint cloud: Ray's {cluster.dead()} ended", file=sys.stderr)
                        return 1
                _tell("stopping ...")
    except Stop:
        _tell("stopped while starting")
    except InvalidRequest as error:
        print(f"underpaint cloud: {error}", file=sys.stderr)
        return 2
    except UnderpaintError as error:
        print(f"underpaint cloud: {error}", file=sys.stderr)
        return 1
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _check_listener(settings: Settings, *, token: str) -> None:
    """Raises InvalidRequest if other machines could reach the engines without token and TLS."""
    if settings.tls_dir:
        read_certificates(settings.tls_dir)
    # Serve's proxies on somebody's cluster listen on every interface.
    address = f"0.0.0.0:{settings.address.port}" if settings.ray_address else settings.listen
    check_exposure(
        address, token=bool(token), tls=settings.tls_dir is not None, insecure=settings.insecure
    )


def _check_port(settings: Settings, patience_s: float) -> None:
    """Raises InvalidRequest if the port is still in use after `patience_s` seconds."""
    if settings.ray_address:
        return  # the machines of the cluster listen, not this one
    address = settings.address
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with socket.create_server((address.host, address.port), family=family):
                return
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise InvalidRequest(
                f"cannot listen on {settings.listen}: {error.strerror}; choose another "
                "with --listen"
            ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Locks the data directory; the lock ends with this process, however it ends.

    Yields whether the previous cloud was killed; otherwise it would have emptied the lock file.

    Raises:
        InvalidRequest: another cloud uses the directory, or it cannot be created.
    """
    path = folder / "cloud.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise InvalidRequest(f"--data-dir {folder} cannot be used: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise InvalidRequest(
                f"another cloud (process {file.read().strip()}) uses {folder}; stop it or choose "
                "another --data-dir"
            ) from None
        file.seek(0)
        was_killed = bool(file.read())
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield was_killed
        finally:
            file.truncate(0)


if __name__ == "__main__":
    sys.exit(main())
