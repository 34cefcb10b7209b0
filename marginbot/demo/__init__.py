"""`marginbot demo`: the bot on a simulated exchange, through a crash, with the chat in the terminal.

Everything is the code of `run`: the real ccxt client reads the exchange over HTTP, the same store, grading and
outbox work; only the messenger writes here instead of to Telegram, and time runs faster.
"""

from marginbot.demo.scenarios import SCENARIOS, Scenario
from marginbot.demo.show import play
from marginbot.demo.stage import Stage

__all__ = ["SCENARIOS", "Scenario", "Stage", "play"]
