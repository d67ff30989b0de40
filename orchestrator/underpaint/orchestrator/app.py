"""Builds an orchestrator from its settings, runs it, and shuts it down."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from underpaint.contract.errors import InvalidRequest, LedgerUnavailable
from underpaint.contract.money import format_usd
from underpaint.contract.rim import Readiness, check_exposure, read_token, start_server
from underpaint.orchestrator import callers, policy, pricing
from underpaint.orchestrator.api.health import follow
from underpaint.orchestrator.api.in_flight import InFlight
from underpaint.orchestrator.api.servicer import SERVICE, Servicer
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.policy.service import PolicyService
from underpaint.orchestrator.promotions.approvals import lapse_for_ever
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.dispatcher import Dispatcher
from underpaint.orchestrator.promotions.engine import CloudEngine
from underpaint.orchestrator.promotions.engine_health import EngineHealth
from underpaint.orchestrator.promotions.promoting import Promoting
from underpaint.orchestrator.promotions.quoting import Quoting
from underpaint.orchestrator.promotions.store import PromotionStore
from underpaint.orchestrator.promotions.sweeper import Sweeper
from underpaint.orchestrator.promotions.worker import Worker
from underpaint.orchestrator.settings import Settings
from underpaint.orchestrator.storage.redis.approvals import RedisApprovals
from underpaint.orchestrator.storage.redis.store import RedisStore
from underpaint.v1 import orchestrator_pb2_grpc

log = logging.getLogger(__name__)

SEEDED_SCOPE: Final = "organisation:default"
MIB: Final = 2**20
_CALLS_END_S: Final = 1.0  # time for open calls to end when the server stops


async def run(settings: Settings, stop: asyncio.Event, reload: asyncio.Event | None = None) -> None:
    """Serves until `stop` is set, then stops gracefully.

    Args:
        settings: the whole configuration.
        stop: set it to stop.
        reload: set it to have the policy file read again at once.

    Raises:
        InvalidRequest: a setting, a file or the address is not valid.
        LedgerUnavailable: Redis cannot be reached at the start.
    """
    prices = pricing.load(settings.prices)
    known = callers.load(
        settings.callers,
        read_token(settings.token_file),
        required=settings.callers_file is not None,
    )
    check_exposure(
        settings.listen,
        token=known.refusal(None) is not None,
        tls=settings.tls_dir is not None,
        insecure=settings.insecure,
    )
    policies = policy.InForce(settings.policy, prices.engines, lambda: known.roles)
    cloud_token = read_token(settings.cloud_token_file)
    budget = settings.default_budget_usd_micros
    artifacts = Artifacts(settings.artifacts)
    archive = Archive(artifacts)
    store = RedisStore(
        settings.redis_url,
        lease_s=settings.lease_s,
        archive=archive,
        accept_data_loss=settings.accept_data_loss,
        check_every_s=settings.redis_check_s,
    )
    readiness = Readiness()
    approvals = RedisApprovals(store)
    engine = CloudEngine(settings.cloud, cloud_token, tls_dir=settings.tls_dir)
    health = EngineHealth(engine.served)
    quoting = Quoting(
        store=store,
        prices=prices,
        policies=policies,
        healthy=health.healthy,
        described=health.described,
        quote_lifetime_s=settings.quote_lifetime_s,
    )
    promoting = Promoting(
        store=store,
        artifacts=artifacts,
        approvals=approvals,
        reservation_s=settings.reservation_s,
    )
    policy_service = PolicyService(
        history=store, artifacts=artifacts, policies=policies, prices=prices
    )
    worker = Worker(
        store=store,
        artifacts=artifacts,
        engine=engine,
        lease_s=settings.lease_s,
        max_attempts=settings.max_attempts,
        first_backoff_s=settings.backoff_s,
    )
    dispatcher = Dispatcher(worker, settings.concurrency)
    in_flight = InFlight(settings.in_flight_mib * MIB, settings.in_flight_each_mib * MIB)
    auditor = Auditor(store=store, artifacts=artifacts)
    archivist = Archivist(store=store, archive=archive, kept_s=settings.finished_kept_s)
    sweeper = Sweeper(store=store, artifacts=artifacts)
    try:
        await _open(store, settings.redis_wait_s)
        await _claim(store, artifacts)
        if not await store.keep_prices(prices.version, prices.digest):
            raise pricing.other_prices(prices.version)
        if budget and await store.seed_budget(SEEDED_SCOPE, budget):
            log.info("%s may spend %s", SEEDED_SCOPE, format_usd(budget))
        server, port = await start_server(
            settings.listen,
            lambda server: orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(
                Servicer(
                    quoting=quoting,
                    promoting=promoting,
                    auditor=auditor,
                    policies=policy_service,
                    callers=known,
                    in_flight=in_flight,
                ),
                server,
            ),
            [SERVICE],
            admit=known.refusal,
            reflect=settings.reflection,
            tls_dir=settings.tls_dir,
            insecure=settings.insecure,
            readiness=readiness,
        )
        await readiness.set(serving=True)
        dispatcher.start()
        sides = [
            asyncio.create_task(
                policies.watch(reload or asyncio.Event(), policy_service.keep),
                name="policy: watch its file",
            ),
            asyncio.create_task(lapse_for_ever(approvals), name="approvals: lapse"),
            asyncio.create_task(
                auditor.run(settings.checkpoint_every_s), name="ledger: checkpoint"
            ),
            asyncio.create_task(archivist.run(), name="promotions: archive"),
            asyncio.create_task(sweeper.run(), name="pictures: sweep"),
            asyncio.create_task(follow(readiness, store.ping), name="health: follow Redis"),
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
            await policy_service.close()
            await dispatcher.stop(settings.grace_s)
    finally:
        await engine.close()
        await store.close()


async def _open(store: PromotionStore, wait_s: float) -> None:
    """Connects, trying for up to `wait_s` seconds, because Redis may just be starting."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        try:
            return await store.open()
        except LedgerUnavailable:
            if loop.time() >= until:
                raise
            await asyncio.sleep(0.1)


async def _claim(store: RedisStore, artifacts: Artifacts) -> None:
    """Refuses an artifact store that does not belong to this ledger: pictures would be missing."""
    mine = await artifacts.identity()
    bound, _, place = (await store.claim_artifacts(f"{mine} {artifacts.place}")).partition(" ")
    if bound != mine:
        raise InvalidRequest(
            f"the artifacts of this Redis are at {place}, not at {artifacts.place}: use that place "
            "as --data-dir or --artifacts-url; if you moved the artifacts, also move their file "
            f"store-id, or write it again with this content: {bound}"
        )
