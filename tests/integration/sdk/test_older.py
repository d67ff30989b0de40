"""The client beside an orchestrator of an earlier version."""

from __future__ import annotations

from dataclasses import replace

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import LoraUse
from underpaint.contract.promotion import Quote

from tests.integration.sdk.stubs import Stubs
from tests.integration.sdk.test_client import POLISH, client_of, drafted


async def test_what_an_older_orchestrator_would_leave_out_is_refused(
    stubs: Stubs,
) -> None:
    def older(quote: Quote) -> Quote:
        return replace(quote, request=replace(quote.request, loras=()))

    stubs.orchestrator.altered = older
    async with client_of(stubs) as client:
        (chosen, *_) = await drafted(client)
        with pytest.raises(InvalidRequest, match="earlier version and would leave loras out"):
            await client.quote(chosen, replace(POLISH, loras=(LoraUse(name="ink"),)))
        assert await client.quote(chosen, POLISH)
