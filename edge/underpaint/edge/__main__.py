"""`python -m underpaint.edge`: runs an edge node until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from underpaint.contract.errors import UnderpaintError
from underpaint.contract.inputs import MAX_INPUTS_BYTES
from underpaint.contract.rim import MESSAGE_BYTES, Readiness, read_token, start_server
from underpaint.edge.draft_queue import DraftQueue, Engine
from underpaint.edge.orchestrator import Orchestrator
from underpaint.edge.outbox_sender import OutboxSender
from underpaint.edge.servicer import SERVICE, EdgeServicer
from underpaint.edge.settings import Settings, read_settings
from underpaint.edge.store import DraftStore
from underpaint.engines.model_kinds import unloadable
from underpaint.engines.starting import check_start
from underpaint.v1.edge_pb2_grpc import add_EdgeServiceServicer_to_server

GRACE_S: Final = 2.0
MIB: Final = 2**20


async def serve(settings: Settings) -> None:
    """Runs the node until SIGTERM or SIGINT.

    Raises:
        InvalidRequest: the model, token file, data directory or address cannot be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    check_start(settings.model, settings.options)  # before torch is imported: that takes seconds
    token = read_token(settings.token_file)
    store = DraftStore(
        settings.data_dir, draft_limit=settings.draft_limit, bytes_limit=settings.store_mib * MIB
    )
    orchestrator = None
    if settings.orchestrator:
        own_token = read_token(settings.orchestrator_token_file)
        orchestrator = Orchestrator(
            settings.orchestrator, own_token or token, tls_dir=settings.tls_dir
        )
    sender = OutboxSender(store, orchestrator, settings.outbox_every_s)
    queue = DraftQueue(lambda: _load(settings), settings.waiting_limit)
    readiness = Readiness()
    host = settings.listen.rpartition(":")[0]
    server, port = await start_server(
        settings.listen,
        lambda server: add_EdgeServiceServicer_to_server(
            EdgeServicer(queue, store, sender), server
        ),
        [SERVICE],
        token=token,
        reflect=settings.reflection,
        readiness=readiness,
        tls_dir=settings.tls_dir,
        insecure=settings.insecure,
        # A promotion for the outbox brings its pictures in one message.
        message_bytes=MESSAGE_BYTES + MAX_INPUTS_BYTES,
    )
    sending = asyncio.create_task(sender.run(), name="outbox: send")
    try:
        opening = asyncio.create_task(queue.open())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
            await readiness.set(serving=True)
            print(f"underpaint edge listening on {host}:{port}", flush=True)
        await stopping
    finally:
        await readiness.set(serving=False)
        queue.close()
        await server.stop(GRACE_S)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if orchestrator:
            await orchestrator.close()
        store.close()


def _load(settings: Settings) -> Engine:
    # Imported here, because importing torch takes seconds and wrong settings must show at once.
    from underpaint.edge.engine import LiteEngine

    try:
        return LiteEngine(settings.model, threads=settings.threads, options=settings.options)
    except UnderpaintError:
        raise
    except Exception as error:
        raise unloadable(settings.model, error) from error


def main(arguments: Sequence[str]) -> int:
    """Runs the node. Returns 0 when it was stopped, 2 for wrong input; 1 is any other failure."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # By default OpenMP's threads spin while they wait. If anything else uses the processor, a
    # draft then takes ten times as long. The variable is read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it logs while it is imported
    try:
        asyncio.run(serve(read_settings(arguments)))
    except UnderpaintError as error:
        print(f"underpaint edge: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Do not wait for the engine's thread: loading a model or a long step cannot be interrupted,
    # and everything that must survive is on disk.
    os._exit(code)
