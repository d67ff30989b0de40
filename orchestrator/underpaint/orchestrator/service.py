"""Puts a control plane together, runs it, and takes it apart again."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from underpaint.contract.errors import LedgerUnavailable
from underpaint.contract.money import format_usd
from underpaint.contract.rim import read_token, start_server
from underpaint.orchestrator import callers, policy, pricing
from underpaint.orchestrator.approvals import lapse_for_ever
from underpaint.orchestrator.approvals_redis import RedisApprovals
from underpaint.orchestrator.archive import Archive, Archivist
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.bookkeeping import Bookkeeper
from underpaint.orchestrator.desk import Desk
from underpaint.orchestrator.dispatcher import Dispatcher
from underpaint.orchestrator.engine import CloudEngine
from underpaint.orchestrator.health import Health
from underpaint.orchestrator.ledger import Ledger
from underpaint.orchestrator.ledger_redis import RedisLedger
from underpaint.orchestrator.polishing import Polisher
from underpaint.orchestrator.reasons import Reasons
from underpaint.orchestrator.servicer import SERVICE, Servicer
from underpaint.orchestrator.settings import Settings
from underpaint.v1 import orchestrator_pb2_grpc

log = logging.getLogger(__name__)

SEEDED_SCOPE: Final = "organisation:default"
_CALLS_END_S: Final = 1.0  # what open calls may take when the server stops


async def run(settings: Settings, stop: asyncio.Event, reload: asyncio.Event | None = None) -> None:
    """Serves until `stop` is set, then stops gracefully.

    Args:
        settings: everything it can be told.
        stop: ends it.
        reload: set it to have the policy's file read again at once.

    Raises:
        InvalidRequest: a setting, a file or the address does not do.
        LedgerUnavailable: Redis cannot be reached at the start.
    """
    prices = pricing.load(settings.prices)
    known = callers.load(settings.callers_file, read_token(settings.token_file))
    policies = policy.InForce(settings.policy, prices.engines, known.roles)
    cloud_token = read_token(settings.cloud_token_file)
    budget = settings.default_budget_usd_micros
    artifacts = Artifacts(settings.artifacts)
    archive = Archive(artifacts)
    ledger = RedisLedger(settings.redis_url, lease_s=settings.lease_s, archive=archive)
    approvals = RedisApprovals(ledger)
    engine = CloudEngine(settings.cloud, cloud_token)
    desk = Desk(
        ledger=ledger,
        artifacts=artifacts,
        prices=prices,
        policies=policies,
        approvals=approvals,
        healthy=Health(engine.served).healthy,
        quote_lifetime_s=settings.quote_lifetime_s,
        reservation_s=settings.reservation_s,
    )
    reasons = Reasons(ledger=ledger, artifacts=artifacts, policies=policies, prices=prices)
    polisher = Polisher(
        ledger=ledger,
        artifacts=artifacts,
        engine=engine,
        lease_s=settings.lease_s,
        max_attempts=settings.max_attempts,
        first_backoff_s=settings.backoff_s,
    )
    dispatcher = Dispatcher(polisher, settings.concurrency)
    bookkeeper = Bookkeeper(books=ledger, artifacts=artifacts)
    archivist = Archivist(shelf=ledger, archive=archive, kept_s=settings.finished_kept_s)
    try:
        await _open(ledger, settings.redis_wait_s)
        if not await ledger.keep_prices(prices.version, prices.digest):
            raise pricing.other_prices(prices.version)
        if budget and await ledger.seed_budget(SEEDED_SCOPE, budget):
            log.info("%s may spend %s", SEEDED_SCOPE, format_usd(budget))
        server, port = await start_server(
            settings.listen,
            lambda server: orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(
                Servicer(desk, bookkeeper, reasons, known), server
            ),
            [SERVICE],
            admit=known.refusal,
            reflect=settings.reflection,
        )
        dispatcher.start()
        sides = [
            asyncio.create_task(
                policies.watch(reload or asyncio.Event(), reasons.keep),
                name="policy: watch its file",
            ),
            asyncio.create_task(lapse_for_ever(approvals), name="approvals: lapse"),
            asyncio.create_task(
                bookkeeper.run(settings.checkpoint_every_s), name="ledger: checkpoint"
            ),
            asyncio.create_task(archivist.run(), name="promotions: archive"),
        ]
        host = settings.listen.rpartition(":")[0]
        print(f"underpaint orchestrator listening on {host}:{port}", flush=True)
        try:
            await stop.wait()
        finally:
            log.info("stopping")
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)
            await server.stop(_CALLS_END_S)
            await dispatcher.stop(settings.grace_s)
    finally:
        await engine.close()
        await ledger.close()


async def _open(ledger: Ledger, wait_s: float) -> None:
    """Connects; a Redis that was started just now gets a moment."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        try:
            return await ledger.open()
        except LedgerUnavailable:
            if loop.time() >= until:
                raise
            await asyncio.sleep(0.1)
