"""The settings of an edge node: flags win over the environment, which wins over the defaults."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NoReturn

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from underpaint.contract.addresses import ListenAddress, PeerAddressOrNone
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.paths import UserPath, UserPathOrName
from underpaint.engines.options import AdditionSettings, Options
from underpaint.engines.placement import Placement, PlacementSettings

BUNDLED: Final = Path(__file__).parent / "models" / "lite"
PREFIX: Final = "UNDERPAINT_EDGE_"


class Settings(AdditionSettings, PlacementSettings, BaseSettings):
    """The settings. Each has a flag (`--data-dir`) and a variable (`UNDERPAINT_EDGE_DATA_DIR`)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    listen: ListenAddress = "127.0.0.1:50051"
    model: Annotated[UserPathOrName, Field(min_length=1)] = str(BUNDLED)
    data_dir: UserPath = Path("~/.local/share/underpaint/edge")
    draft_limit: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    store_mib: Annotated[int, Field(ge=4, le=1_048_576)] = 1_024
    waiting_limit: Annotated[int, Field(ge=1, le=10_000)] = 64
    threads: Annotated[int, Field(ge=0, le=1_024)] = 0
    # Usually all services share one token, so a second variable is accepted.
    token_file: Annotated[
        UserPath | None,
        Field(validation_alias=AliasChoices(PREFIX + "TOKEN_FILE", "UNDERPAINT_TOKEN_FILE")),
    ] = None
    tiny_vae: bool = False
    reflection: bool = False
    tls_dir: Annotated[
        UserPath | None,
        Field(validation_alias=AliasChoices(PREFIX + "TLS_DIR", "UNDERPAINT_TLS_DIR")),
    ] = None
    insecure: bool = False
    orchestrator: Annotated[
        PeerAddressOrNone,
        Field(validation_alias=AliasChoices(PREFIX + "ORCHESTRATOR", "UNDERPAINT_ORCHESTRATOR")),
    ] = ""
    orchestrator_token_file: UserPath | None = None
    outbox_every_s: Annotated[float, Field(gt=0, le=3_600)] = 5.0

    @property
    def engine_placement(self) -> Placement:
        """Where the engine runs; compiled code is kept in the data directory.

        Raises:
            InvalidRequest: two of the settings do not go together.
        """
        return self.placement(self.data_dir / "compiled")

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
            tiny_vae=self.tiny_vae,
        )


_HELP: Final = {
    "listen": "HOST:PORT to serve gRPC on; port 0 chooses a free port",
    "model": "a diffusers directory, a hub id such as stabilityai/sd-turbo, or a .safetensors or "
    ".gguf file",
    "data_dir": "directory for drafts, and for cards of models in its folder `cards`",
    "draft_limit": "most drafts to store; the oldest are deleted",
    "store_mib": "most MiB of pictures to store; the oldest are deleted",
    "waiting_limit": "most drafts that may wait for the engine",
    "threads": "CPU threads of the engine; 0 measures which number is fastest",
    **{name: field.description or "" for name, field in PlacementSettings.model_fields.items()},
    "token_file": "file with the token that callers must send",
    "tls_dir": "directory with ca.pem, cert.pem and key.pem; then callers and the orchestrator "
    "must use TLS, too",
    "orchestrator": "HOST:PORT that the outbox is sent to; without it nothing is sent",
    "orchestrator_token_file": "file with the token for the orchestrator; default: --token-file",
    "outbox_every_s": "seconds between tries to send the outbox",
}
# May be given more than once.
_LISTS: Final = {
    name: field.description or "" for name, field in AdditionSettings.model_fields.items()
}
_SWITCHES: Final = {
    "tiny_vae": "draw drafts with the TAESD in the model's folder `taesd`: faster, less exact",
    "reflection": "let callers list the services",
    "insecure": "allow other machines to connect without a token or without TLS",
}


class _Flags(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidRequest(f"{message}; --help lists the flags")


def read_settings(arguments: Sequence[str]) -> Settings:
    """Reads the settings from the command line and the environment.

    Raises:
        InvalidRequest: a flag is unknown, a value is not valid, or what it needs is not installed.
    """
    flags = _Flags(prog="python -m underpaint.edge", description="Run an edge node.")
    for name, text in _HELP.items():
        flag = "--" + name.replace("_", "-")
        flags.add_argument(flag, dest=name, help=text, default=argparse.SUPPRESS)
    for name, text in _LISTS.items():
        flags.add_argument(
            f"--{name}", action="append", metavar="FILE", help=text, default=argparse.SUPPRESS
        )
    for name, text in _SWITCHES.items():
        flags.add_argument(
            "--" + name.replace("_", "-"),
            dest=name,
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=text,
        )
    try:
        settings = Settings(**vars(flags.parse_args(arguments)))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).removeprefix(PREFIX).lower().replace("_", "-")
        # The message about an address contains it already.
        given = "" if first["type"] == "address" else f" {first['input']!r}"
        raise InvalidRequest(f"--{name}{given}: {first['msg']}") from None
    settings.engine_placement.check_installed()
    return settings
