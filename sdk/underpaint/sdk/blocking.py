"""The blocking client, for code without an event loop; a background thread runs the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


def _waiting(
    method: Callable[Concatenate[AsyncUnderpaint, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Underpaint, P], T]:
    def call(self: Underpaint, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._wait(method(self._client, *args, **kwargs))

    call.__doc__ = method.__doc__
    return call


def _iterating(
    method: Callable[Concatenate[AsyncUnderpaint, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[Underpaint, P], Iterator[T]]:
    def call(self: Underpaint, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        items = method(self._client, *args, **kwargs)

        async def following() -> list[T]:
            async for item in items:
                return [item]
            return []

        try:
            while found := self._wait(following()):
                yield found[0]
        finally:
            self._wait(_closed(items))

    call.__doc__ = method.__doc__
    return call


async def _closed(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


class Underpaint:
    """The blocking client: the methods of `AsyncUnderpaint`, without `await`.

    Use it in a `with` block, or call `close`.
    """

    def __init__(self, client: AsyncUnderpaint) -> None:
        """Wraps an async client; nothing else may use that client afterwards."""
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="underpaint", daemon=True
        )
        self._thread.start()

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        """As `AsyncUnderpaint.from_settings`."""
        return cls(AsyncUnderpaint.from_settings(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections and ends the thread. Calling it again does nothing."""
        if self._loop.is_closed():
            return
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # so that Ctrl-C also ends the call, not only the wait for it
            raise

    make_drafts = _iterating(AsyncUnderpaint.make_drafts)
    get_draft = _waiting(AsyncUnderpaint.get_draft)
    list_drafts = _waiting(AsyncUnderpaint.list_drafts)
    delete_draft = _waiting(AsyncUnderpaint.delete_draft)
    keep_promotion = _waiting(AsyncUnderpaint.keep_promotion)
    outbox = _waiting(AsyncUnderpaint.outbox)
    send_outbox = _waiting(AsyncUnderpaint.send_outbox)
    drop_outbox = _waiting(AsyncUnderpaint.drop_outbox)
    node = _waiting(AsyncUnderpaint.node)
    quote = _waiting(AsyncUnderpaint.quote)
    promote = _waiting(AsyncUnderpaint.promote)
    watch = _iterating(AsyncUnderpaint.watch)
    cancel = _waiting(AsyncUnderpaint.cancel)
    get_promotion = _waiting(AsyncUnderpaint.get_promotion)
    list_promotions = _waiting(AsyncUnderpaint.list_promotions)
    get_artifact = _waiting(AsyncUnderpaint.get_artifact)
    quote_retry = _waiting(AsyncUnderpaint.quote_retry)
    retry = _waiting(AsyncUnderpaint.retry)
    approve = _waiting(AsyncUnderpaint.approve)
    deny = _waiting(AsyncUnderpaint.deny)
    policy = _waiting(AsyncUnderpaint.policy)
    check_policy = _waiting(AsyncUnderpaint.check_policy)
    explain = _waiting(AsyncUnderpaint.explain)
    replay_policy = _waiting(AsyncUnderpaint.replay_policy)
    set_budget = _waiting(AsyncUnderpaint.set_budget)
    remove_budget = _waiting(AsyncUnderpaint.remove_budget)
    budgets = _waiting(AsyncUnderpaint.budgets)
    spend = _waiting(AsyncUnderpaint.spend)
    verify_ledger = _waiting(AsyncUnderpaint.verify_ledger)
    thaw_ledger = _waiting(AsyncUnderpaint.thaw_ledger)
    ledger_entries = _iterating(AsyncUnderpaint.ledger_entries)
