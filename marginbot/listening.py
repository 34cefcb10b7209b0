"""Pages and forms are served on an address of the settings, or the setting is named that has to change."""

from __future__ import annotations

from aiohttp import web

from marginbot.domain.errors import ConfigError


async def listening(
    application: web.Application, address: tuple[str, int], *, setting: str, instead: str
) -> web.AppRunner:
    """Serve there until the runner is cleaned up; a `ConfigError` when the address cannot be listened on.

    `instead` ends its sentence: what else to do than to choose another address.
    """
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, port = address
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(
            f"{setting}: cannot listen on {host}:{port} ({error.strerror or type(error).__name__}); "
            f"choose another address{instead}"
        ) from None
    return runner
