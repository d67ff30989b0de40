"""Where the services are: from the environment, else from the running `up`."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


def default_data_dir() -> Path:
    """`underpaint` in the user's data directory, as the XDG convention has it."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "underpaint"


class Settings(BaseSettings):
    """What a client reads from its surroundings; every name is prefixed UNDERPAINT_."""

    model_config = SettingsConfigDict(env_prefix="UNDERPAINT_", frozen=True, extra="ignore")

    # host:port; empty means that of the running `underpaint up`.
    edge: str = ""
    orchestrator: str = ""
    # A file, so that the token stays out of process lists.
    token_file: Path | None = None
    # Where `underpaint up` keeps everything.
    data_dir: Path = default_data_dir()
    # Show where an unforeseen error came from.
    debug: bool = False
