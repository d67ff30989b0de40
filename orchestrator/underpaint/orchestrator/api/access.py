"""Which stored things one caller may see and change by one RPC."""

from __future__ import annotations

from dataclasses import dataclass, replace

from underpaint.contract.promotion import Account, Page, Promotion
from underpaint.orchestrator.api.page_tokens import seal, unseal
from underpaint.orchestrator.api.roles import Row, admit, not_allowed
from underpaint.orchestrator.callers import Caller
from underpaint.orchestrator.names import (
    bare,
    below,
    check_name,
    check_named_id,
    is_of,
    path_of,
)
from underpaint.orchestrator.promotions.store import PromotionStore, not_found

# Times that the store is read to fill one page of what the caller may see. After that a short
# page is returned; its token continues the listing.
_LOOKS = 20
_LOOKED_AT_ONCE = 50  # promotions; reading more at once would block the event loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a caller may reach by one RPC. Anything else is answered as if it did not exist."""

    caller: Caller
    rpc: str
    row: Row

    @classmethod
    def of(cls, caller: Caller, rpc: str) -> Access:
        """The access of a caller by an RPC. Raises NotAllowed without any of the RPC's roles."""
        return cls(caller=caller, rpc=rpc, row=admit(caller, rpc))

    def key(self, promotion_id: str) -> str:
        """The id in the store, "organisation/id".

        Without an organisation in `promotion_id` it is the caller's own.

        Raises:
            InvalidRequest: not a valid promotion id.
        """
        organisation, _, own = promotion_id.rpartition("/")
        check_named_id(own)
        organisation = check_name(organisation) if organisation else self.caller.organisation
        return f"{organisation}/{own}"

    def bind(self, account: Account) -> Account:
        """The account that a message names; missing parts are taken from the caller's account.

        Raises:
            NotAllowed: the caller has no role for this account.
        """
        bound = self.caller.bind(account)
        if not self.may_account(bound):
            raise not_allowed(self.caller, self.rpc, bound.path)
        return bound

    def may_account(self, account: Account) -> bool:
        """Whether the caller may reach things that belong to an account."""
        own = self.caller.owns(account) and self.caller.may(account.path, *self.row.own)
        return own or self.caller.may(account.path, *self.row.others)

    def may_scope(self, scope: str) -> bool:
        """Whether the caller may reach a scope.

        It may reach its own account and every scope above it, and each scope where it has one of
        the RPC's roles for others' things.
        """
        path = path_of(scope)
        own = self.caller.has(*self.row.own) and below(self.caller.account.path, path)
        return own or self.caller.may(path, *self.row.others)

    def may(self, promotion: Promotion) -> bool:
        """Whether the caller may reach a promotion."""
        account, approval = promotion.promotion.account, promotion.quote.approval
        asked = self.row.by_policy and approval is not None
        return self.may_account(account) or bool(
            asked and approval and self.caller.may(account.path, approval.role)
        )

    async def promotion(self, store: PromotionStore, promotion_id: str) -> Promotion:
        """Reads a promotion.

        Raises:
            PromotionNotFound: it does not exist, or the caller may not reach it.
        """
        return self.check(await store.get(self.key(promotion_id)))

    def check(self, promotion: Promotion) -> Promotion:
        """Returns the promotion. Raises PromotionNotFound if the caller may not reach it."""
        if not self.may(promotion):
            raise not_found(promotion.id)
        return promotion

    async def page(self, store: PromotionStore, size: int, token: str, *, dead: bool) -> Page:
        """One page of the promotions that the caller may reach, newest first.

        A page may hold fewer than `size` although more follow: only an empty token ends the list.

        Raises:
            InvalidRequest: the token does not come from this caller's listing.
        """
        key = await store.secret()
        whose = f"{self.caller.identity} {'dead' if dead else 'all'}"
        token = unseal(token, whose, key)
        # A caller of one organisation needs no look through the promotions of all others.
        reached = {grant.path.partition("/")[0] for grant in self.caller.grants}
        alone = reached <= {self.caller.organisation}
        organisation = self.caller.organisation if alone else ""
        found: list[Promotion] = []
        for _ in range(_LOOKS + size // _LOOKED_AT_ONCE):
            wanted = min(size - len(found), _LOOKED_AT_ONCE)
            page = await (
                store.dead(wanted, token, organisation)
                if dead
                else store.page(wanted, token, organisation)
            )
            found += [each for each in page.promotions if self.may(each)]
            token = page.next_token
            if not token or len(found) == size:
                break
        return Page(promotions=tuple(found), next_token=seal(token, whose, key))

    def shown(self, promotion: Promotion) -> Promotion:
        """The promotion as shown to the caller: ids of its own organisation lose that prefix."""
        return replace(
            promotion,
            id=self.shown_id(promotion.id),
            retried_as=self.shown_id(promotion.retried_as),
            promotion=replace(
                promotion.promotion, retry_of=self.shown_id(promotion.promotion.retry_of)
            ),
        )

    def shown_id(self, promotion_id: str) -> str:
        """A promotion id as shown to the caller; see `shown`."""
        own = is_of(promotion_id, self.caller.organisation)
        return bare(promotion_id) if own else promotion_id
