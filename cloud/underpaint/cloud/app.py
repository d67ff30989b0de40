"""The Serve application: an ingress and engine replicas. It can be used with `serve deploy`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from underpaint.cloud.ingress import CloudIngress
from underpaint.cloud.model import check_model
from underpaint.cloud.replica import EngineReplica
from underpaint.cloud.settings import BUNDLED

NAME: Final = "underpaint"
SERVICER_FUNCTIONS: Final = (
    "underpaint.v1.cloud_pb2_grpc.add_CloudServiceServicer_to_server",
    "grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server",
)
# A waiting call occupies a worker of an orchestrator, so with more than a few "busy" is better.
WAITING: Final = 4


class Arguments(BaseModel):
    """`args` of the application in serve.yaml; named like the flags."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = str(BUNDLED)
    upscaler: str = Field("auto", pattern="^(auto|none)$")
    replicas: Annotated[int, Field(ge=1)] = 1
    threads: Annotated[int, Field(ge=1)] = 2
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?|mps)$")
    token_file: str = ""


def build(args: Arguments) -> Application:
    """Builds the application.

    Engines run one polish each; health checks and listings are answered by the ingress, so
    that they never wait behind one.

    Raises:
        InvalidModel: the model directory cannot be loaded.
    """
    check_model(args.model)
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
            "num_gpus": 1 if args.device.startswith("cuda") else 0,
        },
    )
    ingress = deployment(CloudIngress).options(
        name="Ingress",
        max_ongoing_requests=100,
        graceful_shutdown_timeout_s=10,
        ray_actor_options={"num_cpus": 0},
    )
    application: Application = ingress.bind(
        replica.bind(args.model, args.upscaler, args.device, args.threads), args.token_file
    )
    return application
