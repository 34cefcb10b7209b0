"""The commands: parse, one call, render. Each is `async def command(call, services) -> Reply`."""
