"""Other ways to ring: services reached through Apprise, and Pushover's emergency priority natively."""

from marginbot.channels.addresses import Address, parse_address
from marginbot.channels.ringing import Channels

__all__ = ["Address", "Channels", "parse_address"]
