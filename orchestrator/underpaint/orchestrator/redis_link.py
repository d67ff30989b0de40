"""The one place that makes Redis clients and knows how Redis fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from underpaint.contract.errors import InvalidRequest, LedgerUnavailable

ANSWER_S: Final = 8.0  # longer than a short stall, shorter than any RPC's deadline
# Redis works on one command at a time: more connections than this only wait there
# instead of here, and a unix socket refuses outright when its backlog is full.
CONNECTIONS: Final = 24


def connect(url: str, *, blocking: bool = False) -> Redis:
    """A client of binary answers that never repeats a command by itself.

    redis-py retries timeouts by default, which applies an increment twice when only the
    answer was late.

    Args:
        url: redis://, rediss:// or unix://.
        blocking: whether to wait for answers without end, for subscriptions.

    Raises:
        InvalidRequest: the URL is malformed.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=ANSWER_S,
            decode_responses=False,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=3.0,
            socket_timeout=None if blocking else ANSWER_S,
            health_check_interval=0,
        )
        return Redis.from_pool(pool)
    except ValueError as error:
        raise InvalidRequest(
            f"{url!r} is no Redis URL ({error}); write redis://HOST:PORT/0 or unix:///PATH"
        ) from None


@contextmanager
def translated() -> Iterator[None]:
    """Turns what Redis raises into LedgerUnavailable.

    A script error stays what it is: it means a fault of ours, not of the connection.
    """
    try:
        yield
    except (
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.ReadOnlyError,
        exceptions.OutOfMemoryError,
        exceptions.ClusterDownError,
        OSError,
    ) as error:
        raise LedgerUnavailable(_line(error)) from None
    except exceptions.ResponseError as error:
        # MISCONF: the disk is full, so that nothing can be made durable.
        if str(error).startswith(("MISCONF", "LOADING", "MASTERDOWN", "NOREPLICAS", "OOM")):
            raise LedgerUnavailable(_line(error)) from None
        raise


def _line(error: Exception) -> str:
    cause = " ".join(str(error).split()) or type(error).__name__
    return f"the ledger's Redis is out of reach ({cause}); try again when it is back"
