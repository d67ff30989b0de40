"""Whose turn a promotion takes."""

from __future__ import annotations

import pytest
from underpaint.contract.promotion import Account


@pytest.mark.parametrize(
    ("account", "party"),
    [
        (Account(), "organisation:default"),
        (Account(organisation="o", project="p"), "organisation:o"),
        (Account(organisation="o", user="u"), "user:u"),
        (Account(organisation="o", team="t", project="p", user="u"), "team:t"),
    ],
)
def test_turns_are_a_teams_else_a_users_else_an_organisations(account: Account, party: str) -> None:
    assert account.party == party
