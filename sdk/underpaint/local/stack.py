"""The child processes of `underpaint up`, and how each is started."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidRequest
from underpaint.contract.health import unhealthy
from underpaint.contract.tls import read_certificates
from underpaint.engines.options import Options
from underpaint.engines.starting import check_start
from underpaint.local import extras
from underpaint.local.bundled import model_directory
from underpaint.local.child import ChildSpec
from underpaint.local.hardware import check, flags
from underpaint.local.probes import redis_silent

HOST: Final = "127.0.0.1"
EDGE_PORT: Final = 50051
ORCHESTRATOR_PORT: Final = 50061
CLOUD_PORT: Final = 50071
# Bytes; the kernel takes 107.
_MAX_SOCKET_PATH: Final = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """The options of `up`; "" and None mean the defaults of the services."""

    data_dir: Path
    edge_port: int = EDGE_PORT  # 0 takes a free one, here and below
    orchestrator_port: int = ORCHESTRATOR_PORT
    cloud_port: int = CLOUD_PORT
    cloud: bool = True  # False starts the edge alone
    redis_url: str = ""  # empty starts an embedded server
    lite: str = ""
    full: str = ""
    lite_placement: Mapping[str, str] = field(default_factory=dict)
    full_placement: Mapping[str, str] = field(default_factory=dict)
    """Settings of `engines.placement` by name, such as "device"; see `local.hardware`."""
    lite_added: Options = field(default_factory=Options)
    full_added: Options = field(default_factory=Options)
    """LoRAs and all else that is added to the models."""
    prices: Path | None = None
    policy: Path | None = None
    callers_file: Path | None = None
    budget_usd: str = ""
    tls_dir: Path | None = None


def plan(options: StackOptions) -> list[ChildSpec]:
    """The children in the order of their start; they are stopped in reverse order.

    Raises:
        InvalidRequest: a port is in use, a model cannot be used, or an extra is not installed.
    """
    check(options.lite_placement)
    if options.cloud:
        check(options.full_placement)
    data = options.data_dir.resolve()
    for tier, model, added in _engines(options):
        # The services check it, too, but only after others have started.
        bundled = model_directory(tier, "lite" if tier == "edge" else "full")
        if model or bundled:
            check_start(model or str(bundled), replace(added, data_dir=data / tier))
    if options.tls_dir:
        read_certificates(options.tls_dir)
    why_unhealthy = partial(unhealthy, tls_dir=options.tls_dir, own=True)
    ports = {"--edge-port": options.edge_port}
    if options.cloud:
        ports |= {
            "--orchestrator-port": options.orchestrator_port,
            "--cloud-port": options.cloud_port,
        }
    addresses = _addresses(ports)
    edge = addresses["--edge-port"]
    orchestrator = addresses.get("--orchestrator-port", "")
    # The cloud takes longest, so it starts at once and the edge beside it: on two cores
    # that makes both slower and the whole a fifth faster than one after the other.
    edge_spec = ChildSpec(
        name="edge",
        command=_module(
            "edge",
            "underpaint.edge",
            {
                "--listen": edge,
                "--data-dir": data / "edge",
                "--model": options.lite,
                **flags(options.lite_placement),
                **_added(options.lite_added),
                "--orchestrator": orchestrator,
                "--tls-dir": options.tls_dir,
            },
        ),
        address=edge,
        probe=partial(why_unhealthy, edge),
        after=("orchestrator",) if options.cloud else (),
    )
    if not options.cloud:
        return [edge_spec]
    cloud = addresses["--cloud-port"]
    state = socket_path(data)
    orchestrator_spec = ChildSpec(
        name="orchestrator",
        command=_module(
            "orchestrator",
            "underpaint.orchestrator",
            {
                "--listen": orchestrator,
                "--redis-url": options.redis_url or f"unix://{state}",
                "--cloud": cloud,
                "--tls-dir": options.tls_dir,
                "--data-dir": data / "orchestrator",
                "--prices": options.prices,
                "--policy": options.policy,
                "--callers-file": options.callers_file,
                "--default-budget-usd": options.budget_usd,
            },
        ),
        address=orchestrator,
        probe=partial(why_unhealthy, orchestrator),
        after=() if options.redis_url else ("state",),
        grace_s=15.0,
    )
    cloud_spec = ChildSpec(
        name="cloud",
        command=_module(
            "cloud",
            "underpaint.cloud",
            {
                "--listen": cloud,
                "--data-dir": data / "cloud",
                "--model": options.full,
                **flags(options.full_placement),
                **_added(options.full_added),
                "--tls-dir": options.tls_dir,
            },
        ),
        address=cloud,
        probe=partial(why_unhealthy, cloud),
        grace_s=20.0,
    )
    if options.redis_url:
        return [orchestrator_spec, cloud_spec, edge_spec]
    state_spec = ChildSpec(
        name="state",
        command=_module(
            "orchestrator",
            "underpaint.orchestrator.storage.redis.embedded",
            {"--data-dir": data / "state", "--socket": state},
        ),
        address=str(state),
        probe=partial(redis_silent, state),
        grace_s=15.0,
    )
    return [state_spec, orchestrator_spec, cloud_spec, edge_spec]


def socket_path(data_dir: Path) -> Path:
    """The socket of the embedded server: in the data directory, unless its path is too long."""
    path = data_dir / "state" / "redis.sock"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    private = Path(tempfile.gettempdir()) / f"underpaint-{os.getuid()}-{name}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.is_symlink() or private.stat().st_uid != os.getuid():
        raise InvalidRequest(f"{private} belongs to someone else; use a shorter --data-dir")
    private.chmod(0o700)
    return private / "redis.sock"


def _module(extra: str, module: str, flags: Mapping[str, object]) -> tuple[str, ...]:
    """The command that runs a module; flags without a value are left out, tuples are repeated.

    Raises:
        InvalidRequest: what the extra needs is not installed.
    """
    absent = extras.missing(extra)
    if absent:
        raise InvalidRequest(
            f"the {extra} tier needs {', '.join(absent)}; "
            f"install them with: pip install 'underpaint[{extra}]'"
        )
    given: list[str] = []
    for flag, value in flags.items():
        if value is True:
            given.append(flag)
        elif value:
            for each in value if isinstance(value, tuple) else (value,):
                given += [flag, str(each)]
    return (sys.executable, "-m", module, *given)


def _engines(options: StackOptions) -> list[tuple[str, str, Options]]:
    """The tier, the model and what is added to it, of each engine that is started."""
    edge = ("edge", options.lite, options.lite_added)
    return [edge, ("cloud", options.full, options.full_added)][: 1 + options.cloud]


def _added(added: Options) -> dict[str, object]:
    """What is added to a model, as flags of its service."""
    return {
        "--lora": added.loras,
        "--embedding": added.embeddings,
        "--control": added.control,
        "--tiny-vae": added.tiny_vae,
    }


def _addresses(ports: Mapping[str, int]) -> dict[str, str]:
    """The addresses by flag, after checking that all ports are free.

    Raises:
        InvalidRequest: a port is in use or not valid.
    """
    found: dict[str, str] = {}
    with ExitStack() as held:  # all at once, so that no free one is given twice
        for flag, port in ports.items():
            probe = held.enter_context(socket.socket())
            # As the servers do: a port whose connections only linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                # Bound without listening, it would be given to the next one, too.
                probe.listen()
            except (OSError, OverflowError) as error:
                if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                    raise InvalidRequest(
                        f"port {port} is in use by something else; stop that, or choose another "
                        f"with {flag} (0 chooses a free port)"
                    ) from None
                raise InvalidRequest(
                    f"port {port} cannot be used; choose another with {flag}"
                ) from None
            found[flag] = f"{HOST}:{probe.getsockname()[1]}"
    return found
