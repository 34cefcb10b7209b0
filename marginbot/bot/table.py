"""The one table of commands: it feeds the handlers, the menus, /help and the README test."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from marginbot.bot.calls import Call, Command, Reply, Services, Where
from marginbot.bot.commands.accounts import accounts, remove, rename
from marginbot.bot.commands.add import ADD_USAGE, add, add_in_group
from marginbot.bot.commands.board import USAGE as BOARD_USAGE
from marginbot.bot.commands.board import board
from marginbot.bot.commands.buddy import USAGE as BUDDY_USAGE
from marginbot.bot.commands.buddy import buddy
from marginbot.bot.commands.channels import USAGE as CHANNELS_USAGE
from marginbot.bot.commands.channels import channels, drill
from marginbot.bot.commands.chart import USAGE as CHART_USAGE
from marginbot.bot.commands.chart import chart
from marginbot.bot.commands.data import export, forget, users
from marginbot.bot.commands.history import history
from marginbot.bot.commands.hours import QUIET_USAGE, ZONE_USAGE, quiet, timezone
from marginbot.bot.commands.language import USAGE as LANGUAGE_USAGE
from marginbot.bot.commands.language import choose_language
from marginbot.bot.commands.look import positions, status
from marginbot.bot.commands.operators import health, invite
from marginbot.bot.commands.quiet import ack, snooze
from marginbot.bot.commands.remind import USAGE as REMIND_USAGE
from marginbot.bot.commands.remind import remind
from marginbot.bot.commands.replay import USAGE as REPLAY_USAGE
from marginbot.bot.commands.replay import replay
from marginbot.bot.commands.report import USAGE as REPORT_USAGE
from marginbot.bot.commands.report import report
from marginbot.bot.commands.settings import settings
from marginbot.bot.commands.share import share, unshare
from marginbot.bot.commands.start import WHAT_I_AM, cancel, start
from marginbot.bot.commands.thresholds import thresholds
from marginbot.bot.commands.whatif import liquidation_map, stress, topup
from marginbot.bot.figures import text
from marginbot.bot.language import _, later

PRIVATE, GROUPS, ANYWHERE = Where.PRIVATE, Where.GROUPS, Where.ANYWHERE


async def show_help(call: Call, services: Services) -> Reply:
    """/help: the commands that work here, for this person."""
    operator = services.access.is_operator(call.person.user_id)
    lines = [f"{text(c.line)}\n   {text(_(c.help))}" for c in visible(private=call.private, operator=operator)]
    return Reply(html="\n".join([_(WHAT_I_AM), "", *lines]))


COMMANDS: tuple[Command, ...] = (
    Command(
        name="status",
        usage="[LABEL]",
        help=later("are we fine? worst account first"),
        where=ANYWHERE,
        handler=status,
    ),
    Command(
        name="positions",
        usage="[LABEL]",
        help=later("positions with liquidation price and distance"),
        where=PRIVATE,
        handler=positions,
    ),
    Command(
        name="add",
        usage=ADD_USAGE.removeprefix("/add "),
        help=later("watch an account; alone it asks step by step"),
        where=PRIVATE,
        handler=add,
        elsewhere=add_in_group,
    ),
    Command(name="accounts", usage="", help=later("your accounts"), where=PRIVATE, handler=accounts),
    Command(
        name="thresholds",
        usage="[LABEL] [ratio|cushion N W C E]",
        help=later("show or set when each grade is raised"),
        where=PRIVATE,
        handler=thresholds,
    ),
    Command(
        name="remind",
        usage=REMIND_USAGE,
        help=later("how often an alert is repeated until you acknowledge it"),
        where=PRIVATE,
        handler=remind,
    ),
    Command(
        name="ack",
        usage="[LABEL]",
        help=later("acknowledge an alert: quiet unless it gets worse"),
        where=PRIVATE,
        handler=ack,
        perishable=True,
    ),
    Command(
        name="snooze",
        usage="[LABEL] DURATION",
        help=later("quiet an alert for 30m, 2h or 1d, unless it gets worse"),
        where=PRIVATE,
        handler=snooze,
        perishable=True,
    ),
    Command(
        name="channels",
        usage=CHANNELS_USAGE,
        help=later("further ways to reach you when you do not acknowledge"),
        where=PRIVATE,
        handler=channels,
    ),
    Command(
        name="buddy",
        usage=BUDDY_USAGE,
        help=later("somebody to call you when you do not answer"),
        where=PRIVATE,
        handler=buddy,
        members=False,
    ),
    Command(
        name="drill",
        usage="",
        help=later("an exercise through all ways to reach you"),
        where=PRIVATE,
        handler=drill,
        perishable=True,
    ),
    Command(
        name="stress",
        usage="[LABEL] SHOCK…",
        help=later("what if prices, pegs, volatility or funding move"),
        where=PRIVATE,
        handler=stress,
    ),
    Command(
        name="map",
        usage="LABEL",
        help=later("the prices at which an account is liquidated"),
        where=PRIVATE,
        handler=liquidation_map,
    ),
    Command(
        name="topup",
        usage="[LABEL] [TARGET]",
        help=later("what to add, close or move to be safe again"),
        where=PRIVATE,
        handler=topup,
    ),
    Command(
        name="history",
        usage="[LABEL]",
        help=later("the last alerts: read, sent, accepted, acknowledged, ended"),
        where=PRIVATE,
        handler=history,
    ),
    Command(
        name="chart",
        usage=CHART_USAGE,
        help=later("ratio and cushion over time, as a picture: 6h, 7d, 1y; add light or dark"),
        where=ANYWHERE,
        handler=chart,
    ),
    Command(
        name="replay",
        usage=REPLAY_USAGE,
        help=later("would I have been warned? your account in past days: 2025-10-10"),
        where=PRIVATE,
        handler=replay,
    ),
    Command(
        name="report",
        usage=REPORT_USAGE,
        help=later("the last 24 hours of your accounts, now or every day at a time of yours"),
        where=PRIVATE,
        handler=report,
    ),
    Command(
        name="settings",
        usage="",
        help=later("everything you can set, with buttons"),
        where=PRIVATE,
        handler=settings,
    ),
    Command(
        name="timezone",
        usage=ZONE_USAGE,
        help=later("by which clock I show times: a large city of yours"),
        where=ANYWHERE,
        handler=timezone,
    ),
    Command(
        name="quiet",
        usage=QUIET_USAGE,
        help=later("hours in which NOTICE and WARNING wait, never worse"),
        where=PRIVATE,
        handler=quiet,
    ),
    Command(
        name="language",
        usage=LANGUAGE_USAGE,
        help=later("the language I speak here: en, es, ru, tr or zh"),
        where=ANYWHERE,
        handler=choose_language,
        members=False,
    ),
    Command(name="rename", usage="OLD NEW", help=later("give an account another label"), where=PRIVATE, handler=rename),
    Command(name="remove", usage="LABEL", help=later("stop watching, delete the key"), where=PRIVATE, handler=remove),
    Command(
        name="share",
        usage="LABEL [amounts]",
        help=later("let this group see an account of yours"),
        where=GROUPS,
        handler=share,
    ),
    Command(
        name="unshare", usage="LABEL", help=later("take it out of this group's sight"), where=GROUPS, handler=unshare
    ),
    Command(
        name="board",
        usage=BOARD_USAGE,
        help=later("one pinned message that is kept up to date; off ends it"),
        where=GROUPS,
        handler=board,
        perishable=True,
    ),
    Command(name="cancel", usage="", help=later("stop the guided /add"), where=PRIVATE, handler=cancel, members=False),
    Command(
        name="export",
        usage="",
        help=later("all that is stored about you, as a file"),
        where=PRIVATE,
        handler=export,
        members=False,
    ),
    Command(
        name="forget",
        usage="",
        help=later("delete all that is stored about you"),
        where=PRIVATE,
        handler=forget,
        members=False,
        perishable=True,
    ),
    Command(
        name="users",
        usage="[out ID]",
        help=later("who uses the bot"),
        where=PRIVATE,
        handler=users,
        operators=True,
    ),
    Command(
        name="invite",
        usage="",
        help=later("a code that lets one person in"),
        where=PRIVATE,
        handler=invite,
        operators=True,
    ),
    Command(name="health", usage="", help=later("the bot's own state"), where=PRIVATE, handler=health, operators=True),
    Command(
        name="help", usage="", help=later("what you can ask of me"), where=ANYWHERE, handler=show_help, members=False
    ),
    Command(name="start", usage="[CODE]", help=later("begin here"), where=ANYWHERE, handler=start, members=False),
)

BY_NAME = {command.name: command for command in COMMANDS}


def visible(*, private: bool, operator: bool = False) -> list[Command]:
    """The commands of a menu: a group, a private chat, an operator's private chat."""
    return [c for c in COMMANDS if c.where.includes(private=private) and (operator or not c.operators)]


def nearest(name: str, commands: Sequence[Command]) -> Command | None:
    """The command somebody may have meant."""
    names = difflib.get_close_matches(name.lower(), [c.name for c in commands], n=1, cutoff=0.6)
    return BY_NAME[names[0]] if names else None
