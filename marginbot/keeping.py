"""Commands that tend what the bot keeps: the master key and the database. The libraries load when one is called."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import click

from marginbot.domain.errors import ConfigError
from marginbot.invocation import settings_of


@click.command()
@click.option("--keyring", metavar="SERVICE", help="Keep it in the system's keyring under this name; print nothing.")
def keygen(keyring: str | None) -> None:
    """Print a new master key, or put it into the operating system's keyring."""
    from marginbot.store import new_master_key
    from marginbot.strongbox import keep_key

    if keyring is None:
        click.echo(new_master_key())
        return
    keep_key(keyring, new_master_key())
    click.echo(f"A new key is in the keyring: set MARGINBOT_MASTER_KEY_KEYRING={keyring}. Keep a copy elsewhere.")


@click.command("rotate-key")
@click.option("--keyring", metavar="SERVICE", help="Take the new key from the keyring instead.")
@click.pass_context
def rotate_key(ctx: click.Context, keyring: str | None) -> None:
    """Re-encrypt every stored credential under a new master key, given as MARGINBOT_NEW_MASTER_KEY."""
    from marginbot.progress import bar
    from marginbot.store import instance_lock, open_database, parse_master_key, rotate
    from marginbot.strongbox import read_key

    settings = settings_of(ctx)
    new = read_key(keyring) if keyring else os.environ.get("MARGINBOT_NEW_MASTER_KEY", "").strip()
    if not new:
        raise ConfigError("MARGINBOT_NEW_MASTER_KEY is not set: make a key with `marginbot keygen` and set it")
    old = parse_master_key(settings.master_key_text())
    new_key = parse_master_key(new, f"the keyring's {keyring}" if keyring else "MARGINBOT_NEW_MASTER_KEY")
    locked = instance_lock(settings.database)
    with locked, closing(open_database(settings.database)) as database, bar("sealing anew") as progress:
        count = rotate(database.conn, old=old, new=new_key, progress=progress)
    click.echo(
        f"{count} records are sealed anew. Give the bot the new key now, by "
        f"{f'MARGINBOT_MASTER_KEY_KEYRING={keyring}' if keyring else 'MARGINBOT_MASTER_KEY'}: "
        "the old one no longer opens the database."
    )


@click.command()
@click.pass_context
def migrate(ctx: click.Context) -> None:
    """Bring the database to the current schema."""
    from marginbot.store import instance_lock, open_database
    from marginbot.store import migrate as migrate_database

    settings = settings_of(ctx)
    with instance_lock(settings.database), closing(open_database(settings.database)) as database:
        applied = migrate_database(database)
    click.echo(f"{settings.database}: " + (f"applied {', '.join(applied)}" if applied else "already current"))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def backup(ctx: click.Context, file: Path) -> None:
    """Copy the database while the bot runs. Secrets in it stay sealed; keep the master key elsewhere."""
    from marginbot.store import backup as copy
    from marginbot.store import open_database

    settings = settings_of(ctx)
    with closing(open_database(settings.database, create=False)) as database:
        copy(database, file)
    click.echo(f"{file}: written")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def restore(ctx: click.Context, file: Path) -> None:
    """Replace the database by a backup, after checking it. The bot must not be running."""
    from marginbot.progress import bar
    from marginbot.store import restore as put_back

    settings = settings_of(ctx)
    with bar("restoring") as progress:
        kept = put_back(file, settings.database, progress)
    click.echo(f"{settings.database}: restored from {file}" + (f"; the former one is kept as {kept}" if kept else ""))


COMMANDS = (keygen, rotate_key, migrate, backup, restore)
