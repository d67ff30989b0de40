"""Where the services are: from the environment, else from the running `up`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from underpaint.contract.addresses import PeerAddressOrNone
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.paths import UserPath, expanded


def default_data_dir() -> Path:
    """`underpaint` in the user's data directory, as the XDG convention has it.

    Raises:
        InvalidRequest: there is no home directory to look in.
    """
    try:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError:
        raise InvalidRequest(
            "this user has no home directory; say where the data is with --data-dir, "
            "or set UNDERPAINT_DATA_DIR"
        ) from None
    return expanded(Path(base)) / "underpaint"


class Settings(BaseSettings):
    """The client's settings, from environment variables with the prefix UNDERPAINT_."""

    model_config = SettingsConfigDict(
        env_prefix="UNDERPAINT_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    # HOST:PORT; "" means that of the running `underpaint up`.
    edge: PeerAddressOrNone = ""
    orchestrator: PeerAddressOrNone = ""
    # A file, so that the token stays out of process lists.
    token_file: UserPath | None = None
    # ca.pem, cert.pem and key.pem; without them services are called without TLS.
    tls_dir: UserPath | None = None
    # The data directory of `underpaint up`; see `data_directory`.
    data_dir: UserPath | None = None
    # Show the traceback of an unexpected error.
    debug: bool = False

    @property
    def data_directory(self) -> Path:
        """`data_dir`, else a directory in the user's home, which is found only when it is needed.

        Raises:
            InvalidRequest: `data_dir` is not set and the user has no home directory.
        """
        return default_data_dir() if self.data_dir is None else self.data_dir


def read_settings(**given: Any) -> Settings:
    """Reads the settings from the environment; values that are given win.

    Raises:
        InvalidRequest: a value is not valid; names its flag and variable.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        flag = f"--{name.replace('_', '-')} (UNDERPAINT_{name.upper()})"
        raise InvalidRequest(f"{flag}: {first['msg'].removeprefix('Value error, ')}") from None
