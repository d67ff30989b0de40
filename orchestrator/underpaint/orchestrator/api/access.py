"""One caller at one RPC: what of the stored things is theirs to see and to touch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from underpaint.contract.promotion import Account, Page, Promotion
from underpaint.orchestrator.api.page_tokens import seal, unseal
from underpaint.orchestrator.api.roles import Row, admit, not_allowed
from underpaint.orchestrator.callers import Caller
from underpaint.orchestrator.names import bare, below, check_name, check_named_id, path_of
from underpaint.orchestrator.promotions.store import PromotionStore, not_found

_LOOKS = 20  # more than it takes to fill a page; what then is not found, the token leads to
_LOOKED_AT_ONCE = 50  # promotions; reading many holds the event loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a caller may reach by one RPC; the rest is answered as what does not exist."""

    caller: Caller
    rpc: str
    row: Row

    @classmethod
    def of(cls, caller: Caller, rpc: str) -> Access:
        """Raises NotAllowed if the caller has none of the RPC's roles."""
        return cls(caller=caller, rpc=rpc, row=admit(caller, rpc))

    def key(self, promotion_id: str) -> str:
        """The stored id: ids are their organisation's, which may stand before another's.

        Raises:
            InvalidRequest: it is none.
        """
        organisation, _, own = promotion_id.rpartition("/")
        check_named_id(own)
        organisation = check_name(organisation) if organisation else self.caller.organisation
        return f"{organisation}/{own}"

    def bind(self, account: Account) -> Account:
        """The account that a message names, what it leaves open being the caller's own.

        Raises:
            NotAllowed: it is not the caller's, or no role holds there.
        """
        bound = self.caller.bind(account)
        if not self.may_account(bound):
            raise not_allowed(self.caller, self.rpc, bound.path)
        return bound

    def may_account(self, account: Account) -> bool:
        """Whether what was made for an account is in reach."""
        own = self.caller.owns(account) and self.caller.may(account.path, *self.row.own)
        return own or self.caller.may(account.path, *self.row.others)

    def may_scope(self, scope: str) -> bool:
        """Whether a scope is: one's own line from the organisation down, or where a role holds."""
        path = path_of(scope)
        own = self.caller.has(*self.row.own) and below(self.caller.account.path, path)
        return own or self.caller.may(path, *self.row.others)

    def may(self, promotion: Promotion) -> bool:
        """Whether a promotion is in reach."""
        account, approval = promotion.promotion.account, promotion.quote.approval
        asked = self.row.by_policy and approval is not None
        return self.may_account(account) or bool(
            asked and approval and self.caller.may(account.path, approval.role)
        )

    async def promotion(self, store: PromotionStore, promotion_id: str) -> Promotion:
        """A promotion in reach.

        Raises:
            PromotionNotFound: there is none, or it is not for this caller to know.
        """
        return self.check(await store.get(self.key(promotion_id)))

    def check(self, promotion: Promotion) -> Promotion:
        """The same promotion. Raises PromotionNotFound if it is not in reach."""
        if not self.may(promotion):
            raise not_found(promotion.id)
        return promotion

    async def page(self, store: PromotionStore, size: int, token: str, *, dead: bool) -> Page:
        """Promotions in reach, newest first; a page may be short and yet lead on.

        Raises:
            InvalidRequest: the token is not of this caller's listing.
        """
        key = await store.secret()
        whose = f"{self.caller.identity} {'dead' if dead else 'all'}"
        token = unseal(token, whose, key)
        # One organisation's are found without looking through everybody's.
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
        """As its caller names it: without the organisation before its ids, if it is their own."""
        return replace(
            promotion,
            id=self.shown_id(promotion.id),
            retried_as=self.shown_id(promotion.retried_as),
            promotion=replace(
                promotion.promotion, retry_of=self.shown_id(promotion.promotion.retry_of)
            ),
        )

    def shown_id(self, promotion_id: str) -> str:
        """As `shown`."""
        own = promotion_id.startswith(f"{self.caller.organisation}/")
        return bare(promotion_id) if own else promotion_id
