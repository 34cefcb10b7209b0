"""The command line. Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from marginbot import __version__, arguments, keeping
from marginbot.domain.errors import BadCredentials, BadDuration, ConfigError, MarginbotError, UnknownExchange
from marginbot.invocation import settings_of

_FAILED, _WRONG_USAGE = 1, 2


class _Commands(click.Group):
    """Refuses secrets among the arguments; turns our errors into one clear line on stderr and the right exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        hint = arguments.misplaced(args)
        if hint:
            raise click.UsageError(hint)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            _fail(str(error), _WRONG_USAGE)
        except (BadCredentials, UnknownExchange) as error:
            _fail(error.advice, _WRONG_USAGE)
        except MarginbotError as error:
            _fail(_explained(error), _FAILED)
        except click.UsageError as error:
            if "unexpected extra argument" in error.message:
                raise click.UsageError(arguments.unexpected(), error.ctx) from None
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            logging.getLogger(__name__).debug("command failed", exc_info=True)
            _fail(f"{type(error).__name__}: a fault of mine; MARGINBOT_LOG_LEVEL=debug shows where", _FAILED)


def _explained(error: MarginbotError) -> str:
    if error.advice == MarginbotError.advice:
        return str(error)
    return error.advice if str(error).lower() in error.advice.lower() else f"{error.advice} ({error})"


def _fail(line: str, code: int) -> None:
    click.echo(f"marginbot: {line}", err=True)
    sys.exit(code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="marginbot")
@click.option(
    "--config", type=click.Path(path_type=Path), help="File of settings to read instead of .env; the environment wins."
)
@click.pass_context
def cli(ctx: click.Context, config: Path | None) -> None:
    """marginbot warns you on Telegram before an exchange liquidates you."""
    ctx.obj = config


for command in keeping.COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    cli.main(prog_name="marginbot")


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    from marginbot.loops import faster_loop

    try:
        with asyncio.Runner(loop_factory=faster_loop()) as runner:
            return runner.run(work)
    except KeyboardInterrupt:
        sys.exit(130)


@cli.command()
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run the bot until SIGINT or SIGTERM."""
    from marginbot import app

    settings = settings_of(ctx)
    settings.require_token()
    settings.master_key_text()
    _run(app.run(settings))


@cli.command()
@click.option(
    "--scenario",
    default="may-2021",
    show_default=True,
    help="What to live through: may-2021, slow-bleed, flash-crash, short-squeeze, depeg, venue-outage or key-revoked.",
)
@click.option("--speed", type=click.FloatRange(1, 100_000), default=900.0, show_default=True, help="Times real time.")
@click.option("--json", "as_json", is_flag=True, help="One event a line, as JSON.")
def demo(scenario: str, speed: float, as_json: bool) -> None:
    """Show the bot at work: a simulated exchange, a crash, the chat in this terminal."""
    from marginbot import demo as play
    from marginbot.logs import configure

    configure("error", "text")
    if scenario not in play.SCENARIOS:
        raise click.UsageError(f"no scenario {scenario!r}; there is: {', '.join(play.SCENARIOS)}")
    stage = play.Stage(Console(file=sys.stdout), as_json=as_json)
    _run(play.play(play.SCENARIOS[scenario](), stage, speed=speed))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Check settings, database, master key, Telegram and every account; a line for each, and the remedy."""
    from marginbot import doctor

    findings = _run(doctor.examine(settings_of(ctx)))
    click.echo(json.dumps(doctor.as_json(findings), indent=1) if as_json else doctor.as_text(findings))
    if not all(finding.ok for finding in findings):
        sys.exit(_FAILED)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Print what /status would say of every account, from the database alone; needs no master key."""
    from marginbot import overview

    found = overview.look(settings_of(ctx))
    if as_json:
        click.echo(json.dumps(overview.as_json(found), indent=1, ensure_ascii=False))
    else:
        click.echo(overview.as_text(found))


@cli.command()
@click.option("--since", default="24h", show_default=True, help="How far to look back: 30m, 24h or 7d.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def audit(ctx: click.Context, since: str, as_json: bool) -> None:
    """Print what was told, how long it took, and whether anybody is left untold; exit code 1 if so."""
    from marginbot import record
    from marginbot.flow.preferences import parse_duration

    try:
        wanted = parse_duration(since)
    except BadDuration as error:
        raise click.BadParameter(error.advice, param_hint="--since") from None
    findings = record.examine(settings_of(ctx), wanted)
    if as_json:
        click.echo(json.dumps(record.as_json(findings), indent=1, ensure_ascii=False))
    else:
        click.echo(record.as_text(findings))
    if findings.violations:
        sys.exit(_FAILED)


@cli.command()
@click.argument("exchange")
@click.option("--key", help="Public address, for venues read by one; never an API key.")
@click.option("--json", "as_json", is_flag=True, help="The documented schema.")
@click.pass_context
def snapshot(ctx: click.Context, exchange: str, key: str | None, as_json: bool) -> None:
    """Read one account once and print its margin report.

    Credentials come from MARGINBOT_KEY, MARGINBOT_SECRET and MARGINBOT_PASSPHRASE, or are asked for.
    """
    from marginbot.snapshot import take
    from marginbot.views import report_as_json, report_table

    report = _run(take(settings_of(ctx), exchange, key, ask=_ask()))
    if as_json:
        click.echo(json.dumps(report_as_json(report), indent=1, ensure_ascii=False))
    else:
        Console(file=sys.stdout).print(report_table(report))


@cli.command()
@click.argument("exchange")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--key", help="Public address, for venues read by one; never an API key.")
@click.pass_context
def capture(ctx: click.Context, exchange: str, file: Path, key: str | None) -> None:
    """Save one reading's raw answers for a bug report: amounts stay, identities are taken out.

    Credentials come from where `snapshot` takes them. An existing file is not overwritten.
    """
    from marginbot.capture import record, to_text

    if file.exists():
        raise click.BadParameter(f"{file} exists already; name a new file", param_hint="FILE")
    recording = _run(record(settings_of(ctx), exchange, key, ask=_ask()))
    try:
        file.write_text(to_text(recording), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror})") from None
    click.echo(
        f"{file}: written. Amounts, prices and symbols are in it; names, ids, addresses and keys were taken out. "
        f"Look it through before you send it to anyone. `marginbot explain {file}` shows what I make of it."
    )


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="The schema of `snapshot`, with the origins beside it.")
def explain(file: Path, as_json: bool) -> None:
    """Judge a captured reading offline, and say where each number came from."""
    from marginbot.capture import explained, from_file, origins_as_json, origins_as_text
    from marginbot.views import report_as_json, report_table

    report, found = explained(from_file(file))
    if as_json:
        document = report_as_json(report) | {"origins": origins_as_json(found)}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    Console(file=sys.stdout).print(report_table(report))
    click.echo(origins_as_text(found))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--markdown", is_flag=True, help="The table of the README.")
def venues(as_json: bool, markdown: bool) -> None:
    """List the exchanges I can read, where their ratio comes from and how that was checked."""
    from marginbot import listing

    if as_json:
        click.echo(json.dumps(listing.as_json(), indent=1, ensure_ascii=False))
    elif markdown:
        click.echo(listing.as_markdown())
    else:
        click.echo(listing.as_text())


def _ask() -> Callable[[str], str] | None:
    if not sys.stdin.isatty():
        return None
    return lambda title: str(click.prompt(title, hide_input=True, err=True))


@cli.command()
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@click.option("--exchange", help="Instead of SPEC: your account at this exchange, over --period.")
@click.option("--period", help="A day, 2025-10-10, or several, 2025-10-09..2025-10-11 (UTC).")
@click.option("--key", help="Public address, for venues read by one; never an API key.")
@click.option("--json", "as_json", is_flag=True, help="The documented schema.")
@click.pass_context
def replay(
    ctx: click.Context, spec: Path | None, exchange: str | None, period: str | None, key: str | None, as_json: bool
) -> None:
    """Run portfolios, or your own account, through historic prices with the code that grades live accounts."""
    from marginbot import hindsight
    from marginbot.progress import bar
    from marginbot.sim.replay import run as replayed
    from marginbot.sim.spec import load

    if (spec is None) == (exchange is None) or (exchange is None) != (period is None):
        raise click.UsageError("name either a SPEC.json, or --exchange with --period")
    if exchange is not None and period is not None:
        settings = settings_of(ctx)
        outcomes, notes = _run(hindsight.look_back(settings, exchange, key, period, ask=_ask()))
        for note in notes:
            click.echo(f"marginbot: {note}", err=True)
    else:
        assert spec is not None
        with bar("replaying") as progress:
            outcomes = replayed(load(spec), progress=progress)
    if as_json:
        click.echo(json.dumps({"results": [outcome.as_json() for outcome in outcomes]}, indent=1))
        return
    for outcome in outcomes:
        result = outcome.as_json()
        click.echo(
            f"{result['name']}: " + (f"liquidated at {result['breach_at']}" if result["breach_at"] else "survived")
        )
        for grade, lead in result["lead_minutes"].items():
            told = "never" if lead is None else f"{lead:.1f} min before"
            click.echo(f"  {grade:<10} raised {result['raises'][grade]}x, {told}")
