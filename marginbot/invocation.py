"""What every command starts from: the settings, with the log set up by them."""

from __future__ import annotations

import click

from marginbot.config import Settings, load_settings, unknown_variables


def settings_of(ctx: click.Context) -> Settings:
    """Settings of this call; `ConfigError` when they are not usable. Misspelt variables are named on stderr."""
    from marginbot.logs import configure

    settings = load_settings(ctx.obj)
    configure(settings.log_level, settings.log_format)
    for name in unknown_variables(ctx.obj):
        click.echo(f"marginbot: {name} is not a setting of mine; is it misspelt?", err=True)
    return settings
