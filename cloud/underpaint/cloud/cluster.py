"""Starts Ray, or joins a cluster, and runs the Serve application on it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import signal
import socket
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from underpaint.cloud import processes
from underpaint.cloud.binding import HOST_VARIABLE, TLS_VARIABLE
from underpaint.cloud.gpus import gpus, show_one_gpu
from underpaint.cloud.leftovers import Leftovers
from underpaint.cloud.settings import Settings
from underpaint.contract.deadlines import DEADLINES
from underpaint.contract.errors import EngineFailed, InvalidModel, InvalidRequest
from underpaint.contract.health import unhealthy
from underpaint.contract.reach import SPEAKS_NO_TLS
from underpaint.engines.loras import whole_path
from underpaint.engines.placement import PlacementSettings

_OBJECT_STORE_BYTES: Final = 200 * 2**20  # enough: it holds pictures of one or two megabytes
_LOAD_S: Final = 1_800  # long, because a model of several gigabytes may have to be fetched
_POLL_S: Final = 0.1

_CALLBACK: Final = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
_BIND: Final = "underpaint.cloud.binding.bind_to_host"
# Environment variables that Ray's processes read when they start.
_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    _CALLBACK: _BIND,
    # On a busy machine the proxy needs longer than 10 s, after which Serve would replace it.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
    "OMP_WAIT_POLICY": "passive",  # see EngineReplica
    # Ray's default of 15 would let every other process on the machine go first.
    "RAY_worker_niceness": "0",
}

Tell = Callable[[str], None]


class Cluster:
    """Runs Ray and Serve during a `with` block; afterwards nothing that it started is left."""

    def __init__(self, settings: Settings, tell: Tell, leftovers: Leftovers) -> None:
        """Prepares the cluster.

        Args:
            settings: the settings of the cloud.
            tell: prints what is being started.
            leftovers: ends Ray's processes if this process is killed.
        """
        self._settings = settings
        self._tell = tell
        self._leftovers = leftovers
        self._own = not settings.ray_address
        self._vital: dict[int, str] = {}

    def __enter__(self) -> Cluster:
        """Starts or joins Ray and runs the application; leaves nothing behind if that fails."""
        try:
            self._timed("Ray", self._start_ray)
            self._timed("Serve", self._start_serve)
            self._timed(f"the engine ({self._settings.model})", self._start_application)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stops everything that was started; on a joined cluster only the application."""
        self._stop()

    def dead(self) -> str:
        """The name of a vital process that has ended; "" if all are running."""
        return next((name for pid, name in self._vital.items() if not processes.is_alive(pid)), "")

    def _timed(self, what: str, start: Callable[[], None]) -> None:
        self._tell(f"starting {what} ...")
        began = time.monotonic()
        start()
        self._tell(f"started {what} in {time.monotonic() - began:.1f} s")

    def _start_ray(self) -> None:
        os.environ.update(_ENVIRONMENT)
        os.environ[HOST_VARIABLE] = self._settings.address.host
        os.environ.pop(TLS_VARIABLE, None)
        if self._settings.tls_dir:
            os.environ[TLS_VARIABLE] = str(self._settings.tls_dir.resolve())
        warnings.simplefilter("ignore", FutureWarning)
        if self._own:
            self._prepare_folder()
            show_one_gpu(self._settings.device)
        import ray  # reads the environment

        # Ray's own handler of SIGTERM would abort this process.
        answers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        quiet: Any = {"log_to_driver": False, "logging_level": logging.ERROR}
        settings = self._settings
        try:
            if not self._own:
                ray.init(settings.ray_address, **quiet)
                return
            ray.init(
                "local",
                num_cpus=settings.replicas * settings.threads,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(settings.temporary),
                **quiet,
            )
        except (RuntimeError, ConnectionError, OSError, ValueError) as error:
            where = settings.ray_address or f"here; its logs are in {settings.temporary}"
            raise EngineFailed(f"Ray did not start {where}: {_first_line(error)}") from error
        finally:
            for number, answer in answers.items():
                signal.signal(number, answer)
        below = self._entrust()
        self._vital = {p: name for p, name in below.items() if name in ("raylet", "gcs_server")}

    def _entrust(self) -> dict[int, str]:
        """Reports all descendants of this process to the leftovers, and returns them."""
        below = processes.descendants(os.getpid())
        below.pop(self._leftovers.pid, None)
        self._leftovers.tell(below)
        return below

    def _prepare_folder(self) -> None:
        """Empties Ray's folder and puts a secret into it.

        Ray 2.60 listens on every interface, whatever address it is given, and runs what it
        is told: without the secret anyone on the network could tell it.
        """
        folder = self._settings.temporary
        # Processes of a start that was killed; usually Linux has ended them already.
        processes.end(processes.mentioning(f"{folder}/"), patience_s=0)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        os.environ.pop("RAY_AUTH_TOKEN", None)

    def _start_serve(self) -> None:
        from ray import serve
        from underpaint.cloud.app import SERVICER_FUNCTIONS

        logging.getLogger("ray").setLevel(logging.ERROR)
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(
            proxy_location="HeadOnly",
            # Serve always serves HTTP, so use a free port that only this machine can reach.
            http_options={"host": "127.0.0.1", "port": _free_port()},
            grpc_options={
                "port": self._settings.address.port,
                "grpc_servicer_functions": list(SERVICER_FUNCTIONS),
                "request_timeout_s": DEADLINES["/underpaint.v1.CloudService/Generate"],
                "enable_reflection": self._settings.reflection,
            },
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )

    def _start_application(self) -> None:
        import ray
        from ray import serve
        from underpaint.cloud.app import NAME, Arguments, build

        settings = self._settings
        resources: Any = ray.cluster_resources  # untyped
        placement = settings.engine_placement
        device, gpus_each = gpus(settings, resources().get("GPU", 0))
        application = build(
            Arguments(
                model=settings.model,
                upscaler=settings.upscaler,
                replicas=settings.replicas,
                threads=settings.threads,
                **settings.model_dump(include=set(PlacementSettings.model_fields) - {"device"}),
                device=device,
                gpus_each=gpus_each,
                cache_dir=_whole(placement.cache_dir),
                data_dir=_whole(settings.data_dir),
                lora=tuple(whole_path(each) for each in settings.lora),
                embedding=tuple(_whole(file) for file in settings.embeddings),
                control=_whole(settings.control),
                token_file=_whole(settings.token_file),
            )
        )
        target = serve.RunTarget(application, name=NAME, route_prefix="/")
        serve.run_many([target], wait_for_applications_running=False)
        deadline = time.monotonic() + _LOAD_S
        while True:
            status = serve.status().applications[NAME]
            if status.status == "RUNNING":
                why = self._unhealthy()
                if not why:
                    self._entrust()
                    return
                if SPEAKS_NO_TLS in why:
                    raise EngineFailed(
                        f"{why}; Serve's proxies take it from where Ray was started: set "
                        f"{TLS_VARIABLE} and {_CALLBACK}={_BIND} there"
                    )
            if status.status in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise _failure(status)
            if time.monotonic() > deadline:
                raise EngineFailed(f"the engine was not ready in {_LOAD_S} s; is the model large?")
            if self.dead():
                raise EngineFailed(f"Ray's {self.dead()} ended; see {settings.temporary}")
            time.sleep(_POLL_S)

    def _unhealthy(self) -> str:
        """Why the application is not healthy, asked through the ingress as by any client."""
        return asyncio.run(unhealthy(self._settings.listen, self._settings.tls_dir, own=True))

    def _stop(self) -> None:
        import ray

        if self._own:
            below = self._entrust()
            ray.shutdown()
            processes.end(below, patience_s=5)
            shutil.rmtree(self._settings.temporary, ignore_errors=True)
        elif ray.is_initialized():
            from ray import serve
            from underpaint.cloud.app import NAME

            serve.delete(NAME)
            ray.shutdown()


def _failure(status: Any) -> InvalidRequest | EngineFailed:
    """The error of a failed start, from the last line of the traceback that Serve reports."""
    reports = [status.message, *(d.message for d in status.deployments.values())]
    lines = [line.strip() for report in reports for line in report.splitlines()]
    for line in reversed(lines):
        for kind in (InvalidModel, InvalidRequest):
            if f"{kind.__name__}: " in line:
                return kind(line.partition(f"{kind.__name__}: ")[2])
    causes = [line for line in lines if "Error" in line or "Exception" in line]
    return EngineFailed(f"the engine did not start: {(causes or lines or ['no reason given'])[-1]}")


def _whole(path: Path | None) -> str:
    """The path as replicas find it, which have a working directory of their own."""
    return str(path.resolve()) if path else ""


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
