"""Accounts are paths."""

from __future__ import annotations

from underpaint.contract.promotion import Account

ANN = Account(organisation="acme", team="growth", project="web", user="ann")


def test_a_name_means_what_it_means_below_its_parent() -> None:
    assert ANN.scopes == (
        "organisation:acme",
        "team:acme/growth",
        "project:acme/growth/web",
        "user:acme/growth/web/ann",
    )
    elsewhere = Account(organisation="rival", team="growth", project="web", user="ann")
    assert not set(ANN.scopes) & set(elsewhere.scopes)


def test_an_account_is_known_by_its_scopes() -> None:
    for account in (Account(), ANN, Account(project="catalogue")):
        assert Account.of(account.scopes) == account
