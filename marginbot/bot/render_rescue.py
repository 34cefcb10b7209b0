"""The rescue sheet: what to deposit, close or move, with buttons that copy the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_UP, Decimal

from marginbot.bot import figures as fig
from marginbot.bot import names
from marginbot.bot.calls import Button, Rows
from marginbot.bot.figures import text
from marginbot.bot.language import _, later
from marginbot.bot.render_status import View
from marginbot.bot.render_whatif import age
from marginbot.domain.margin import MarginMode
from marginbot.domain.rescue_sheet import CLOSING_FEE, Close, Deposit, Sheet
from marginbot.domain.shortfall import Target
from marginbot.domain.transfers import Transfer
from marginbot.flow.whatif import PoolSheet, Rescue

MOST_TOGETHER = 4
MOST_TRANSFERS = 3
CALM = later("✅ Calm: nothing has to be added or closed. For a target of your own: /topup LABEL 40 or /topup LABEL 5x")
UNWATCHED = later("❔ I know of nothing that has to be added or closed, but not all of it was read lately:")
LATE = later("may come too late")


def sheets(found: Rescue, view: View) -> str:
    """All sheets, worst pool first; without any, what that rests on."""
    if found.sheets:
        return "\n\n".join(_sheet(sheet, view) for sheet in found.sheets)
    watched = all(taken_at is not None and view.now - taken_at <= view.stale_after for _account, taken_at in found.read)
    lines = [f"{text(account.label, 24)}: {age(taken_at, view)}" for account, taken_at in found.read]
    return "\n".join([_(CALM if watched else UNWATCHED), *lines])


def copy_buttons(found: Rescue) -> Rows:
    """The numbers of the worst pool, ready to paste into the exchange's form."""
    sheet = found.sheets[0].sheet if found.sheets else None
    if sheet is None or not sheet.missing:
        return ()
    rows = [
        (Button(_("Copy {amount}", amount=f"{_digits(d.amount)} {d.asset}"), copy=_digits(d.amount)),)
        for d in sheet.deposits[:2]
        if d.amount is not None
    ]
    rows += [
        (
            Button(
                _("Copy {n} contracts {coin}", n=_digits(c.contracts), coin=c.symbol.partition("/")[0]),
                copy=_digits(c.contracts),
            ),
        )
        for c in (sheet.closes or sheet.together)[:2]
    ]
    return tuple(rows)


def _digits(amount: Decimal | None) -> str:
    """As a form takes it: no thousands separators, no exponent."""
    return "" if amount is None else f"{amount.normalize():f}"


def _sheet(found: PoolSheet, view: View) -> str:
    pool = found.pool
    grade = _("not known") if pool.grade is None else fig.grade_name(pool.grade)
    cushion = "" if pool.cushion is None else f" · {fig.multiple(pool.cushion)}"
    lines = [
        f"🛟 <b>{_('Rescue sheet')}</b> · {text(found.account.label, 24)} · {text(found.account.exchange, 24)}",
        f"{fig.pool_title(pool.name)} · {grade} · {_('ratio {ratio}', ratio=fig.ratio_of(pool))}{cushion}",
        age(found.taken_at, view),
    ]
    if found.sheet is None:
        return "\n".join([*lines, _("Too little is known of this pool to say what would help. Look at the exchange.")])
    lines.append(_("Target: {target}", target=_target(found.sheet.target)))
    if not found.sheet.missing:
        return "\n".join([*lines, _("<b>It is there already</b>: nothing has to be done.")])
    return "\n".join([*lines, *_ways(found, found.sheet)])


def _target(target: Target) -> str:
    parts = [] if target.ratio is None else [_("ratio under {ratio}", ratio=fig.percent(target.ratio))]
    parts += [] if target.cushion is None else [_("cushion over {cushion}", cushion=fig.multiple(target.cushion))]
    return ", ".join(parts)


def _ways(found: PoolSheet, sheet: Sheet) -> list[str]:
    isolated = found.pool.margin_mode == MarginMode.ISOLATED
    lines = [
        "",
        _("<b>Add</b> to this position's margin") if isolated else _("<b>Add</b>"),
        *_deposits(sheet.deposits, found.pool.currency),
    ]
    closing = _closing(sheet)
    lines += ["", _("<b>or close</b>, at the mark"), *closing] if closing else []
    if isolated:
        lines.append(_("<i>Closing a part gives its part of the margin back: only a lower tier helps the ratio.</i>"))
    lines += _moving(found, sheet.transfers)
    fees = _("Fees of {fee} are in it; round up to the exchange's step.", fee=f"{CLOSING_FEE:.2%}")
    return [*lines, "", f"<i>{_('Each way alone suffices, worked out anew on this reading.')} {fees}</i>"]


def _deposits(deposits: Sequence[Deposit], currency: str) -> list[str]:
    lines = []
    for number, deposit in enumerate(deposits):
        start = _("or ") if number else ""
        if deposit.amount is None:
            worth = fig.advised(deposit.counts, currency)
            lines.append(
                start
                + _("{asset} that counts for {worth} after its haircut", asset=text(deposit.asset, 12), worth=worth)
            )
            continue
        counts = ""
        if deposit.amount != deposit.counts:
            counts = " " + _("(counts for {worth})", worth=fig.advised(deposit.counts, currency))
        lines.append(f"{start}<b>{fig.advised(deposit.amount, deposit.asset)}</b>{counts}")
    return lines


def _closing(sheet: Sheet) -> list[str]:
    lines = [f"{_('or ') if number else ''}{_close(close)}" for number, close in enumerate(sheet.closes)]
    if sheet.together:
        lines = [f"+ {_close(close)}" for close in sheet.together[:MOST_TOGETHER]]
        more = len(sheet.together) - MOST_TOGETHER
        lines += [_("+ {n} more positions: rather as below", n=more)] if more > 0 else []
    if sheet.every_share is not None:
        lines.append(
            (_("or ") if lines else "") + _("<b>{share}</b> of every position", share=_percent(sheet.every_share))
        )
    return lines


def _close(close: Close) -> str:
    what = f"{text(names.side(close.side), 12)} {text(close.symbol, 40)}"
    if close.share >= 1:
        return _("{position}: <b>all</b>, {n} contracts", position=what, n=fig.plain_number(close.contracts))
    return _(
        "{position}: <b>{n}</b> contracts ({share})",
        position=what,
        n=fig.plain_number(close.contracts),
        share=_percent(close.share),
    )


def _percent(share: Decimal) -> str:
    return _("all") if share >= 1 else f"{share.quantize(Decimal('0.0001'), rounding=ROUND_UP):.2%}"


def _moving(found: PoolSheet, transfers: Sequence[Transfer]) -> list[str]:
    if not transfers:
        return []
    lines = ["", _("<b>or move</b> what lies idle")]
    for transfer in transfers[:MOST_TRANSFERS]:
        source = transfer.source
        amount = fig.advised(_down(transfer.amount), source.currency)
        part = "" if transfer.suffices else ", " + _("a part of it")
        lines.append(f"{text(source.label, 24)}, {fig.pool_title(source.pool)}: <b>{amount}</b>{part}")
        lines.append(f"   {_('usually {time}', time=_minutes(transfer))}{_in_time(found, transfer)}")
    lines.append(_left(found))
    return lines


def _down(amount: Decimal) -> Decimal:
    return Decimal(f"{amount:.8g}")


def _minutes(transfer: Transfer) -> str:
    low, high = transfer.minutes
    return (
        _("at once, within the exchange")
        if high <= 1
        else _("{low} to {high} min, confirmations and crediting included", low=low, high=high)
    )


def _in_time(found: PoolSheet, transfer: Transfer) -> str:
    left = found.minutes_left
    return f": <b>{_(LATE)}</b>" if left is not None and transfer.minutes[1] > left else ""


def _left(found: PoolSheet) -> str:
    if found.minutes_left is None:
        return _("No price move alone uses up the time.")
    return _(
        "Time left: within {span} it is liquidated with a chance of about 1 in 10.",
        span=fig.ago(found.minutes_left * 60),
    )
