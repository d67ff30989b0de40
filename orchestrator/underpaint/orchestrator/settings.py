"""The settings of an orchestrator."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from underpaint.contract.addresses import ListenAddress, PeerAddress
from underpaint.contract.money import parse_usd
from underpaint.contract.paths import UserPath

PREFIX: Final = "UNDERPAINT_ORCHESTRATOR_"
_HERE: Final = Path(str(resources.files(__package__)))
PRICES: Final = _HERE / "pricing" / "prices.yaml"
POLICY: Final = _HERE / "policy" / "policy.yaml"


class Settings(BaseSettings):
    """Settings from the environment, UNDERPAINT_ORCHESTRATOR_*; flags of the same names win."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    listen: Annotated[ListenAddress, Field(description="HOST:PORT to serve gRPC on")] = (
        "127.0.0.1:50061"
    )
    redis_url: Annotated[
        str, Field(description="Redis >= 7.2 or Valkey: redis://HOST:PORT/0 or unix:///PATH")
    ] = "redis://127.0.0.1:6379/0"
    cloud: Annotated[PeerAddress, Field(description="HOST:PORT of the CloudService")] = (
        "127.0.0.1:9000"
    )
    data_dir: Annotated[
        UserPath, Field(description="directory for artifacts, unless --artifacts-url is set")
    ]
    artifacts_url: Annotated[
        str, Field(description="any fsspec URL for artifacts, such as s3://BUCKET/artifacts")
    ] = ""
    prices: Annotated[UserPath, Field(description="price table, YAML")] = PRICES
    policy: Annotated[UserPath, Field(description="policy, YAML")] = POLICY
    token_file: Annotated[
        UserPath | None, Field(description="file with the token that callers must send")
    ] = None
    callers_file: Annotated[
        UserPath | None,
        Field(description="callers, YAML; without this flag DATA_DIR/callers.yaml, if it exists"),
    ] = None
    cloud_token_file: Annotated[
        UserPath | None, Field(description="file with the token to send to the cloud")
    ] = None
    tls_dir: Annotated[
        UserPath | None,
        Field(
            validation_alias=AliasChoices(f"{PREFIX}TLS_DIR", "UNDERPAINT_TLS_DIR"),
            description="directory with ca.pem, cert.pem and key.pem; then callers and the cloud "
            "must use TLS, too",
        ),
    ] = None
    insecure: Annotated[
        bool,
        Field(description="allow other machines to connect without tokens or without TLS"),
    ] = False
    reflection: Annotated[bool, Field(description="let callers list the services")] = False
    default_budget_usd: Annotated[
        str,
        Field(description="dollars for organisation:default if no limit was ever set; 0 sets none"),
    ] = "10"
    lease_s: Annotated[
        float, Field(ge=0.5, le=600, description="seconds without a heartbeat that end a lease")
    ] = 15.0
    max_attempts: Annotated[
        int, Field(ge=1, le=20, description="attempts at a promotion before it is released")
    ] = 3
    backoff_s: Annotated[
        float, Field(gt=0, le=15, description="seconds before the second attempt; doubles")
    ] = 0.5
    quote_lifetime_s: Annotated[
        float, Field(ge=1, le=86_400, description="seconds that a quote is valid")
    ] = 600.0
    reservation_s: Annotated[
        float,
        Field(ge=1, le=30 * 86_400, description="seconds until an unfinished promotion expires"),
    ] = 86_400.0
    concurrency: Annotated[
        int,
        Field(
            ge=0,
            le=1_000,
            description="promotions that run at once at each engine; 0 runs none and only "
            "accepts them",
        ),
    ] = 4
    grace_s: Annotated[
        float, Field(ge=0, le=600, description="seconds to wait for running work when stopping")
    ] = 5.0
    in_flight_mib: Annotated[
        int, Field(ge=32, le=65_536, description="MiB of pictures in transfer at once, in or out")
    ] = 128
    in_flight_each_mib: Annotated[
        int, Field(ge=32, le=65_536, description="MiB of pictures in transfer for one caller")
    ] = 64
    checkpoint_every_s: Annotated[
        float, Field(ge=1, le=86_400, description="seconds between checkpoints of the ledger")
    ] = 900.0
    finished_kept_s: Annotated[
        float,
        Field(ge=0, le=366 * 86_400, description="seconds until finished promotions are archived"),
    ] = 7 * 86_400.0
    redis_wait_s: Annotated[
        float, Field(ge=0, le=600, description="seconds to wait for Redis at the start")
    ] = 5.0
    redis_check_s: Annotated[
        float, Field(ge=1, le=86_400, description="seconds between safety checks of Redis")
    ] = 60.0
    accept_data_loss: Annotated[
        bool, Field(description="use a Redis even if it may lose acknowledged promotions")
    ] = False
    log_level: Annotated[
        str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="how much to log")
    ] = "INFO"

    @property
    def artifacts(self) -> str:
        """The path or URL of the artifact store."""
        return self.artifacts_url or str(self.data_dir / "artifacts")

    @property
    def callers(self) -> Path:
        """The path of the callers file; it may not exist."""
        return self.callers_file or self.data_dir / "callers.yaml"

    @property
    def default_budget_usd_micros(self) -> int:
        """Micro-dollars. Raises InvalidRequest if it is not a sum of money."""
        return parse_usd(self.default_budget_usd)
