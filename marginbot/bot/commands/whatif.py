"""/stress, /map and /topup: what if, where it ends, and what would help. Own accounts, private chats."""

from __future__ import annotations

from marginbot.bot import render_rescue, render_whatif
from marginbot.bot.calls import NO_ACCOUNT, Call, Reply, Rows, Services, wrong_usage
from marginbot.bot.language import _
from marginbot.bot.refresh import refresh
from marginbot.domain.errors import RequestError
from marginbot.domain.shocks import FUNDING_HOURS, USUAL_FUNDING, Funding, Shock, parse_shock
from marginbot.flow.ports import Account
from marginbot.flow.whatif import parse_target

DEPEGGED = 0.97
DAY_HOURS = 24.0
MOVES = {"d5": -0.05, "d10": -0.10, "d20": -0.20, "u5": 0.05, "u10": 0.10, "u20": 0.20}
WORST_VOLATILITY = 0.5


async def stress(call: Call, services: Services) -> Reply:
    """/stress [LABEL] SHOCK…: without a shock, a panel of them."""
    user_id = call.person.user_id
    label, words = services.whatif.split_label(user_id, call.args)
    accounts = services.store.accounts_of(user_id)
    if not accounts:
        return Reply(html=_(NO_ACCOUNT))
    chosen = next((account for account in accounts if account.label == label), None)
    buttons = render_whatif.panel(accounts, chosen)
    if not words:
        return Reply(html=render_whatif.panel_text(chosen), buttons=buttons)
    shock = parse_shock(words)
    found = await services.think(user_id, lambda whatif: whatif.stress(user_id, label, shock))
    return Reply(html=render_whatif.stress(found, services.view), buttons=buttons)


async def liquidation_map(call: Call, services: Services) -> Reply:
    """/map LABEL: the prices at which an account is liquidated."""
    if len(call.args) != 1:
        raise wrong_usage("/map LABEL", "/map main")
    user_id = call.person.user_id
    account = services.store.account(user_id, call.args[0])
    found = await services.think(user_id, lambda whatif: whatif.maps(user_id, account.label))
    return Reply(html=render_whatif.maps(found, services.view), buttons=(refresh("m", account.id),))


async def topup(call: Call, services: Services) -> Reply:
    """/topup [LABEL] [TARGET]: what to add, close or move."""
    user_id = call.person.user_id
    label, words = services.whatif.split_label(user_id, call.args)
    if not services.store.accounts_of(user_id):
        return Reply(html=_(NO_ACCOUNT))
    if label is None and len(words) > 1:
        services.store.account(user_id, words[0])  # they meant a label, and it is not theirs
    target = parse_target(words)
    oldest = services.clock() - services.stale_after
    found = await services.think(user_id, lambda whatif: whatif.sheets(user_id, label, target, stale_before=oldest))
    about = 0 if label is None else services.store.account(user_id, label).id
    again = refresh("t", about, *words)
    return Reply(html=render_rescue.sheets(found, services.view), buttons=(*render_rescue.copy_buttons(found), again))


async def sheet_of(user_id: int, account: Account, pool: str, services: Services) -> Reply:
    """The sheet of the pool an alert is about, as it stands now."""
    oldest = services.clock() - services.stale_after
    found = await services.think(
        user_id,
        lambda whatif: whatif.sheets(user_id, account.label, None, stale_before=oldest, pool=pool or None),
    )
    return Reply(html=render_rescue.sheets(found, services.view), buttons=render_rescue.copy_buttons(found))


async def pressed_shock(user_id: int, account_id: int, code: str, services: Services) -> tuple[str, Rows]:
    """The panel's message after a press: the answer, or the panel for another account. `NotAllowed` to strangers."""
    accounts = services.store.accounts_of(user_id)
    chosen = services.preferences.owned(user_id, account_id) if account_id else None
    buttons = render_whatif.panel(accounts, chosen)
    label = chosen.label if chosen else None
    shock = _shock_of(code, services.whatif.stablecoins(user_id, label))
    if shock is None:
        return render_whatif.panel_text(chosen), buttons
    found = await services.think(user_id, lambda whatif: whatif.stress(user_id, label, shock))
    return render_whatif.stress(found, services.view), buttons


def _shock_of(code: str, stables: list[str]) -> Shock | None:
    """What a button of the panel means; None: it only chooses an account."""
    if code in MOVES:
        return Shock(market=MOVES[code])
    pegs = dict.fromkeys(stables, DEPEGGED)
    if code == "peg":
        if not pegs:
            raise RequestError("no stablecoin", advice=_("No stablecoin backs these accounts."))
        return Shock(pegs=pegs)
    if code == "all":
        funding = Funding(USUAL_FUNDING, DAY_HOURS / FUNDING_HOURS, known=False)
        return Shock(market=MOVES["d20"], pegs=pegs, volatility=WORST_VOLATILITY, funding=funding)
    return None
