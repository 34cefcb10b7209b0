"""The Telegram edge: commands, buttons, messages, delivery."""

import os

# Makes the Telegram library give waits as timedelta, its future default; without it each read of one warns.
os.environ.setdefault("PTB_TIMEDELTA", "true")
