"""/stress and /map: what would happen, and where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from marginbot.bot import figures as fig
from marginbot.bot.calls import Button, Rows, grid, marked
from marginbot.bot.figures import text
from marginbot.bot.language import _, later
from marginbot.bot.render_status import View
from marginbot.bot.said import said
from marginbot.domain.grading import Grade
from marginbot.domain.liquidation_map import PoolMap, Way
from marginbot.domain.margin import PoolState
from marginbot.domain.shocks import USUAL_FUNDING, Shock
from marginbot.domain.whatif import Outcome
from marginbot.flow.ports import Account
from marginbot.flow.whatif import AccountMap, Stress, StressedAccount

MOST_POOLS = 6
MOST_WAYS = 20
MOST_SPARES = 6
NO_READING = later("no reading yet")
NOTHING_DIES = later("Nothing is liquidated.")
NOTHING_KNOWN_DIES = later("Nothing that I know of is liquidated, but not everything is known.")
PANEL_CODES = (("d5", "-5%"), ("d10", "-10%"), ("d20", "-20%"), ("u5", "+5%"), ("u10", "+10%"), ("u20", "+20%"))
MOST_LABELS = 6


def age(taken_at: datetime | None, view: View) -> str:
    """`read 12:03:10 UTC, 40 s ago`, and whether that is too old to rely on."""
    if taken_at is None:
        return _(NO_READING)
    old = view.now - taken_at
    late = " · " + _("<b>too old to rely on</b>") if old > view.stale_after else ""
    return _("read {time}, {ago} ago", time=fig.clock(taken_at, view.now), ago=fig.ago(old)) + late


# -- shocks


def described(shock: Shock) -> str:
    """The shock in words."""
    parts = [] if shock.market is None else [_("everything {move}", move=fig.move(shock.market))]
    parts += [f"{text(coin, 20)} {fig.move(move)}" for coin, move in shock.moves.items()]
    parts += [_("{coin} at {price} USD", coin=text(coin, 20), price=f"{price:g}") for coin, price in shock.pegs.items()]
    parts += [_("option volatility {move}", move=fig.move(shock.volatility))] if shock.volatility else []
    if shock.funding is not None:
        paid = f"{shock.funding.payments:g} x {fig.move(shock.funding.rate)}"
        who = _("above zero longs pay") if shock.funding.known else _("or what is announced")
        parts.append(_("funding {paid} ({who})", paid=paid, who=who))
    return ", ".join(parts)


def stress(found: Stress, view: View) -> str:
    """What a shock does, account by account, the first to die in front."""
    parts = [f"🧪 <b>{_('What if')}</b> {described(found.shock)}"]
    parts += [_stressed(account, found.shock, view) for account in found.accounts]
    return "\n\n".join([*parts, *_verdict(found), *_assumptions(found.shock)])


def _stressed(account: StressedAccount, shock: Shock, view: View) -> str:
    lines = [_head(account.account), age(account.taken_at, view)]
    for outcome in account.outcomes[:MOST_POOLS]:
        lines += _outcome(outcome, shock)
    more = len(account.outcomes) - MOST_POOLS
    return "\n".join([*lines, *([_("and {n} pools that fare better", n=more)] if more > 0 else [])])


def _head(account: Account) -> str:
    return f"<b>{text(account.label, 24)}</b> · {text(account.exchange, 24)}"


def _outcome(outcome: Outcome, shock: Shock) -> list[str]:
    before, after = outcome.before, outcome.after
    title = fig.pool_title(before.name)
    notes = [f"<i>{text(said(note), 200)}</i>" for note in outcome.notes]
    if after is None or after.grade is None:
        return [f"{fig.BLIND} " + _("{pool}: cannot be worked out", pool=title), *notes]
    if after.state is PoolState.FLAT:
        return [
            f"{fig.SYMBOLS[Grade.OK]} "
            + _("{pool}: no position, {equity}", pool=title, equity=fig.money(_rounded(after.equity), after.currency))
        ]
    ratios = _("ratio {before} → <b>{after}</b>", before=fig.ratio_of(before), after=fig.ratio_of(after))
    if outcome.breaks_at is not None:
        return [f"💀 {title}: <b>{died(outcome.breaks_at, shock)}</b>", ratios, *notes]
    dollars = "" if outcome.dollars == 1 else ", " + _("one is worth {dollars} USD", dollars=f"{outcome.dollars:g}")
    cushion = "" if after.cushion is None else f" · {fig.multiple(after.cushion)}"
    return [
        f"{fig.SYMBOLS[after.grade]} {title}: {ratios} · {fig.grade_name(after.grade)}",
        _("then room {room}", room=fig.room(after)) + cushion,
        _("buffer {amount}", amount=fig.money(_rounded(after.buffer), after.currency)) + dollars,
        *notes,
    ]


def died(breaks_at: float, shock: Shock) -> str:
    """Where on the way the trigger is."""
    if breaks_at == 0:
        return (
            _("at or past liquidation now")
            if not shock.volatility
            else _("dies of the volatility alone, or is past it")
        )
    where = ""
    if shock.market is not None:
        where = ", " + _("everything {move}", move=fig.move(shock.market * breaks_at))
    elif len(shock.moves) == 1:
        [(coin, move)] = shock.moves.items()
        where = f", {text(coin, 20)} {fig.move(move * breaks_at)}"
    return _("dies at {share} of it", share=f"{breaks_at:.0%}") + where


def _all_known(found: Stress) -> bool:
    outcomes = [outcome for account in found.accounts for outcome in account.outcomes]
    read = all(account.taken_at is not None for account in found.accounts)
    return read and all(outcome.after is not None and outcome.after.grade is not None for outcome in outcomes)


def _verdict(found: Stress) -> list[str]:
    first = found.accounts[0] if found.accounts else None
    if first is None:
        return []
    if first.breaks_at is None:
        return [_(NOTHING_DIES if _all_known(found) else NOTHING_KNOWN_DIES)]
    pool = fig.pool_title(first.outcomes[0].before.name)
    lines = [_("First to die: <b>{label}</b>, {pool}.", label=text(first.account.label, 24), pool=pool)]
    if found.spare:
        lines.append(_("At that moment these could give away, and stay calm:"))
        largest = sorted(found.spare, key=lambda spare: -spare[2])[:MOST_SPARES]
        lines += [
            f"· <b>{text(account.label, 24)}</b> {fig.money(Decimal(spare), currency)}"
            for account, currency, spare in largest
        ]
    elif len(found.accounts) > 1:
        lines.append(_("At that moment no other account has anything to spare."))
    return ["\n".join(lines)]


def _assumptions(shock: Shock) -> list[str]:
    lines = []
    if shock.funding is not None and not shock.funding.known:
        lines.append(
            _(
                "Funding: what the exchange announces; where I know no rate, the usual {rate} each 8 h, "
                "paid by every perpetual.",
                rate=f"{USUAL_FUNDING:.2%}",
            )
        )
    if shock.volatility:
        lines.append(_("Volatility changes at once, then prices move."))
    if shock.pegs:
        lines.append(_("Coins keep their price in the pool's own currency."))
    return [f"<i>{' '.join(lines)}</i>"] if lines else []


def panel(accounts: Sequence[Account], chosen: Account | None) -> Rows:
    """Shocks to press, and for whom."""
    number = 0 if chosen is None else chosen.id
    moves = [Button(label, f"wif:{number}:{code}") for code, label in PANEL_CODES]
    more = (
        Button(_("De-peg 0.97"), f"wif:{number}:peg"),
        Button(_("All at once"), f"wif:{number}:all"),
    )
    scope: list[Button] = []
    if len(accounts) > 1:
        scope = [Button(marked(_("all"), on=chosen is None), "wif:0:-")]
        scope += [
            Button(marked(account.label[:20], on=chosen is not None and chosen.id == account.id), f"wif:{account.id}:-")
            for account in accounts[:MOST_LABELS]
        ]
    return (*grid(moves, 3), more, *grid(scope, 3))


def panel_text(chosen: Account | None) -> str:
    """What the panel is for."""
    whom = _("all your accounts") if chosen is None else f"<b>{text(chosen.label, 24)}</b>"
    return _(
        "🧪 <b>What if?</b> For {whom}: press a shock, or write one:\n/stress BTC -15 ETH -25\n"
        "/stress USDT=0.97\n/stress -10 IV +50 funding 8h",
        whom=whom,
    )


# -- the map


def maps(found: Sequence[AccountMap], view: View) -> str:
    """Where accounts are liquidated, the nearest first."""
    parts = []
    for account in found:
        parts.append(f"🗺 {_head(account.account)}\n{age(account.taken_at, view)}")
        parts += [_pool(pool) for pool in account.pools]
        if account.taken_at is not None and not account.pools:
            parts.append(_("No open position."))
    return "\n\n".join(parts)


def _pool(pool: PoolMap) -> str:
    lines = [_("<b>{name}</b>, liquidated at:", name=fig.pool_title(pool.name))]
    if pool.state is not PoolState.OK:
        state = _("equity is gone") if pool.state is PoolState.DEFICIT else _("its requirement is not known")
        return f"{lines[0][:-1]} <b>{state}</b>"
    for way in pool.ways[:MOST_WAYS]:
        lines += _way(way)
    more = len(pool.ways) - MOST_WAYS
    lines += [_("and {n} coins farther away", n=more)] if more > 0 else []
    if pool.together is not None:
        lines.append(_("all together: {ends}", ends=_ends(pool.together)))
    if pool.pegged:
        end = _("no fall can breach it") if pool.peg is None else f"{pool.peg:.4f} USD"
        lines.append(_("{coin}, off the peg: {end}", coin=text(_(pool.pegged), 20), end=end))
    else:
        lines.append(_("{coin}, off the peg: the ratio stays, it is kept in it", coin=text(pool.currency, 12)))
    return "\n".join([*lines, *(f"<i>{text(said(note), 200)}</i>" for note in pool.notes)])


def _way(way: Way) -> list[str]:
    lines = [f"{fig.underlying(way.name)}: {_ends(way)}"]
    if way.venue_price is not None:
        says = _("the exchange says {price}", price=fig.plain_number(way.venue_price))
        lines.append("   ⚠️ " + _("{what}, mine differs", what=says) if way.disagrees else f"   {says}")
    return lines


def _ends(way: Way) -> str:
    ends = [_end(move, way.price(move)) for move in (way.down, way.up) if move is not None]
    return _(" or ").join(ends) if ends else _(fig.NO_BREACH)


def _end(move: float, price: float | None) -> str:
    if move == 0:
        return _("<b>now</b>")
    return fig.move(move) if price is None else f"<b>{fig.plain_number(_five(price))}</b> ({fig.move(move)})"


def _five(value: float) -> Decimal:
    """A price to five figures, or to the unit where it is larger."""
    return Decimal(f"{value:.5g}") if abs(value) < 100_000 else Decimal(round(value))


def _rounded(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else Decimal(f"{amount:.10g}")
