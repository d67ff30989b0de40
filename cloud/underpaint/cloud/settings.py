"""The settings of the cloud, checked before anything large is imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from underpaint.contract.addresses import Address, PeerAddress, parse_address
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.paths import UserPath, UserPathOrName
from underpaint.engines.options import AdditionSettings, Options
from underpaint.engines.placement import Placement, PlacementSettings

PREFIX: Final = "UNDERPAINT_CLOUD_"
BUNDLED: Final = Path(__file__).parent / "models" / "full"


def _threads() -> int:
    return min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


class Settings(AdditionSettings, PlacementSettings, BaseSettings):
    """The settings: flags win over UNDERPAINT_CLOUD_* variables, which win over the defaults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, populate_by_name=True
    )

    listen: PeerAddress = Field("127.0.0.1:50071", description="HOST:PORT of Serve's gRPC ingress")
    model: UserPathOrName = Field(
        str(BUNDLED),
        description="diffusers directory, hub id OWNER/NAME, or .safetensors or .gguf file",
    )
    control: UserPath | None = Field(
        None, description="directory of a ControlNet, for the control maps of requests"
    )
    upscaler: Literal["auto", "none"] = Field(
        "auto", description="auto uses a learned model, none plain Lanczos"
    )
    replicas: Annotated[int, Field(ge=1, le=64)] = Field(1, description="engines side by side")
    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        default_factory=_threads, description="CPU threads of each engine"
    )
    ray_address: str = Field("", description="join this Ray cluster instead of starting one")
    data_dir: UserPath = Field(
        Path("~/.local/share/underpaint/cloud"),
        description="holds the lock that keeps two clouds apart, compiled code, and cards of "
        "models in its folder `cards`",
    )
    token_file: UserPath | None = Field(
        None, description="file with the token that callers must send"
    )
    tls_dir: UserPath | None = Field(
        None,
        validation_alias=AliasChoices(f"{PREFIX}TLS_DIR", "UNDERPAINT_TLS_DIR"),
        description="directory with ca.pem, cert.pem and key.pem; then callers must use TLS, too",
    )
    insecure: bool = Field(
        False,
        description="allow other machines to connect without a token or without TLS",
    )
    reflection: bool = Field(False, description="let callers list the services")

    @property
    def engine_placement(self) -> Placement:
        """Where the engines run; compiled code is kept in the data directory.

        Raises:
            InvalidRequest: two of the settings do not go together.
        """
        if self.ray_address and self.device.startswith("cuda:"):
            raise InvalidRequest(
                f"--device {self.device} is for a Ray of one's own; on a cluster, Ray gives each "
                "replica a GPU: use --device cuda"
            )
        # The folder is of this machine, and replicas on a cluster may run on any.
        return self.placement(None if self.ray_address else self.data_dir / "compiled")

    @property
    def options(self) -> Options:
        """How the model is loaded.

        Raises:
            InvalidRequest: two of the settings do not go together.
        """
        return Options(
            placement=self.engine_placement,
            data_dir=self.data_dir,
            loras=self.lora,
            embeddings=self.embeddings,
            control=self.control,
        )

    @property
    def address(self) -> Address:
        """The address to listen on."""
        return parse_address(self.listen)

    @property
    def temporary(self) -> Path:
        """Ray's folder. Its path is short, because paths of sockets may have at most 107 bytes."""
        name = f"underpaint-ray-{_short_hash(self.data_dir)}"
        return Path(tempfile.gettempdir() if len(tempfile.gettempdir()) < 20 else "/tmp") / name  # noqa: S108 - the directory is made private


def _short_hash(path: Path) -> str:
    import hashlib

    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
