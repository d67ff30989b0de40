"""The Serve application: an ingress and engine replicas. It can be used with `serve deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field
from ray import serve
from ray.serve import Application
from underpaint.cloud.ingress import CloudIngress
from underpaint.cloud.replica import EngineReplica
from underpaint.cloud.settings import BUNDLED
from underpaint.contract.errors import InvalidRequest
from underpaint.engines.options import AdditionSettings, Options
from underpaint.engines.placement import PlacementSettings
from underpaint.engines.starting import check_start

NAME: Final = "underpaint"
SERVICER_FUNCTIONS: Final = (
    "underpaint.v1.cloud_pb2_grpc.add_CloudServiceServicer_to_server",
    "grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server",
)
# A waiting call occupies a worker of an orchestrator, so with more than a few "busy" is better.
WAITING: Final = 4


class Arguments(AdditionSettings, PlacementSettings):
    """`args` of the application in serve.yaml; named like the flags."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = str(BUNDLED)
    upscaler: str = Field("auto", pattern="^(auto|none)$")
    replicas: Annotated[int, Field(ge=1)] = 1
    threads: Annotated[int, Field(ge=1)] = 2
    gpus_each: Annotated[float, Field(gt=0, le=64)] = 1
    """GPUs that Ray gives each replica with `device: cuda`; 0.5 lets two share one."""
    cache_dir: str = ""  # of compiled code, on each node
    data_dir: str = ""  # with the cards of hub ids and single files, on each node
    control: str = ""  # the directory of a ControlNet, on each node
    token_file: str = ""


def build(args: Arguments) -> Application:
    """Builds the application.

    Engines run one polish each; health checks and listings are answered by the ingress, so
    that they never wait behind one.

    Raises:
        InvalidModel: the model, or what is added to it, cannot be loaded.
        InvalidRequest: two arguments do not go together.
    """
    if args.device.startswith("cuda:"):
        raise InvalidRequest(
            f"device {args.device}: Ray gives each replica its GPU; use cuda, and gpus_each below "
            "1 to share one"
        )
    placement = args.placement(Path(args.cache_dir) if args.cache_dir else None)
    options = Options(
        placement=placement,
        data_dir=Path(args.data_dir) if args.data_dir else None,
        loras=args.lora,
        embeddings=args.embeddings,
        control=Path(args.control).expanduser() if args.control else None,
    )
    check_start(args.model, options)
    deployment: Any = serve.deployment  # its type annotation covers only the use as decorator
    replica = deployment(EngineReplica).options(
        name="Engine",
        num_replicas=args.replicas,
        max_ongoing_requests=1,
        max_queued_requests=WAITING,
        max_constructor_retry_count=1,
        graceful_shutdown_timeout_s=10,
        ray_actor_options={
            "num_cpus": args.threads,
            "num_gpus": args.gpus_each if args.device == "cuda" else 0,
        },
    )
    ingress = deployment(CloudIngress).options(
        name="Ingress",
        max_ongoing_requests=100,
        graceful_shutdown_timeout_s=10,
        ray_actor_options={"num_cpus": 0},
    )
    application: Application = ingress.bind(
        replica.bind(args.model, args.upscaler, options, args.threads), args.token_file
    )
    return application
