"""What other layers say to people in English, as templates: `said` looks it up when it is shown.

Venues, the domain and the use cases know no languages. What they say is found here in their source: every literal of
at least three words that is no documentation, no log, no name of an error and no query. Values in an f-string become
placeholders named after what stands there, and a subject in front ("BTC/USDT: …") is left out: `said` takes it off.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import marginbot
from marginbot.bot.said import SUBJECT
from marginbot.domain.forced import ForcedKind

PACKAGE = Path(marginbot.__file__).parent
LAYERS = ("domain", "flow", "exchanges", "channels")
FURTHER = (
    "lookback.py",
    "sim/hindsight.py",
    "store/accounts.py",
    "store/channels.py",
    "store/people.py",
    "store/buddies.py",
    "store/alerts.py",
)
# Modules whose words are for the log, the operator's terminal or the documentation, and why.
EXEMPT = {
    "channels/words.py": "looks its texts up itself",
    "domain/holes.py": "the auditor's words, for operators",
    "flow/audit.py": "the auditor's words, for operators",
    "flow/trail.py": "words for the log",
    "flow/pushes.py": "words for the log",
    "domain/roots.py": "names of functions",
    "exchanges/origins.py": "words for the command line",
    "exchanges/markets.py": "words for the log",
}
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
NOT_SAID = re.compile(
    r"^(log|re|logging)\.|(Error|Skew|Limited|Banned|VenueDown|BadPayload|Unsupported|OurFault|KeyRefused|NoPermission"
    r"|BadCredentials|NotAllowed|NoSuchAccount|UnknownExchange|LabelTaken|BadLabel|LimitReached|KeyCanWithdraw|Bad\w+"
    r"|PrivateOnly|GroupOnly|NothingShared|NotTheirBoard|BoardEnding|WrongMasterKey|StoreFailed|SealBroken|Kept"
    r"|Missing)$|\.(execute|executemany|startswith|endswith|strptime|strftime|split|match|get)$"
)
# Names of credentials at venues read in a general way, what a figure is about, and what venues warn of.
SHORT = {"passphrase", "account id", "user id", "login name", "equity", "margin call", "liquidation warning"}
SHORT |= {f"{kind} {what}" for kind in ForcedKind for what in ("order", "trade")}
FOR_THE_LOG = {"_bad": 0, "Unreadable": 1}  # which argument of a call is not shown
NOT_SHOWN = frozenset({"modes", "ratio_from", "weight", "estimates", "title", "name", "aliases"})
VENUES = re.compile(
    r"\b(?:Aster|Backpack|Binance|BingX|Bitget|BloFin|Bybit|Coinbase|Crypto\.com|Deribit|Derive|Extended|Gate|HTX"
    r"|Hyperliquid|Kraken|KuCoin|Lighter|MEXC|OKX|Paradex|Phemex|Pushover|WhiteBIT|WOO X|dYdX)\b"
)
PATH = re.compile(r"^[A-Z]*/\w+")  # of a question to a venue; also how a command is used
_RUN_ON = re.compile(r"([.!?])(\{)")  # "… that exchange.{meant}"
_ENDS = re.compile(r"(?<=[.!?]) +")
_AROUND = re.compile(r"^(?:\{\w+\} )+(?=[A-Z])|^(?:\{\w+\} ?)+$|(?<=[.!?]) \{\w+\}$")  # "{advice} Nothing was stored."
QUERY = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|FROM|PRAGMA|ORDER BY)\b|^a\.id,|jsonrpc")


def sources() -> list[Path]:
    """The modules that are read."""
    inner = [path for layer in LAYERS for path in sorted((PACKAGE / layer).rglob("*.py"))]
    return [
        path
        for path in [*inner, *(PACKAGE / name for name in FURTHER)]
        if path.relative_to(PACKAGE).as_posix() not in EXEMPT
    ]


def said_elsewhere() -> set[str]:
    """Every template of every module."""
    return SHORT | {found for path in sources() for found in templates(path.read_text(encoding="utf-8"))}


def templates(source: str) -> Iterator[str]:
    """What a module says, without its subjects; the names of credentials, however short."""
    tree = ast.parse(source)
    yield from _fields(tree)
    for text in _within(tree):
        bare = SUBJECT.sub("", text, count=1)
        if not QUERY.search(bare) and not PATH.search(bare):
            pieces = _pieces(bare)
            least = 2 if pieces == [bare] else 1
            yield from (_of_any_venue(piece) for piece in pieces if _words(piece) >= least)


def _pieces(template: str) -> list[str]:
    """A sentence with others put in front of it, after it or into it is looked up apart from them."""
    pieces = _ENDS.split(_RUN_ON.sub(r"\1 \2", template))
    bare = [_AROUND.sub("", piece).strip(" ,") for piece in pieces]
    return [piece for piece in bare if piece] if bare != pieces else [template]


def _of_any_venue(template: str) -> str:
    """What several venues say alike is one text."""
    count = itertools.count(1)
    numbers = (f"{{venue{number if number > 1 else ''}}}" for number in count)
    return VENUES.sub(lambda _: next(numbers), template)


def _fields(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "fields" and isinstance(node.value, ast.Tuple):
            pairs = [pair for pair in node.value.elts if isinstance(pair, ast.Tuple)]
            yield from (str(ast.literal_eval(pair.elts[1])) for pair in pairs)


def _words(template: str) -> int:
    return len(WORD.findall(re.sub(r"\{\w+\}", "", template)))


def _within(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(value)):
            if _words(value) >= 3 and " " in value.strip():
                yield value
            return
        case ast.JoinedStr():
            template = _template(node)
            if _words(template) >= 2 and " " in template.strip():
                yield template
            for part in node.values:
                if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.IfExp):
                    yield from _within(part.value)
            return
    for child in _said(node):
        yield from _within(child)


def _said(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that may be shown to somebody."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Import() | ast.ImportFrom() | ast.Compare():
            return
        case ast.Call():
            yield from _of_call(node)
        case ast.Dict(values=values):
            yield from values
        case ast.AnnAssign(value=value):
            yield from [value] if value else []
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            yield from body
        case ast.Subscript():
            return
        case _:
            yield from ast.iter_child_nodes(node)


def _of_call(node: ast.Call) -> Iterator[ast.AST]:
    name = ast.unparse(node.func)
    if not name.startswith("log.") and isinstance(node.func, ast.Attribute):
        yield node.func.value
    skipped = FOR_THE_LOG.get(name, -1)
    if not NOT_SAID.search(name):
        yield from (argument for at, argument in enumerate(node.args) if at != skipped)
    if not name.startswith("log."):
        yield from (keyword for keyword in node.keywords if keyword.arg not in NOT_SHOWN)


def _template(node: ast.JoinedStr) -> str:
    """`{pool.name}: no price of {asset}` with plain names, each once."""
    parts: list[str] = []
    used: list[str] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            name = _named(part.value)
            used.append(name)
            parts.append("{" + (f"{name}{used.count(name)}" if used.count(name) > 1 else name) + "}")
    return "".join(parts)


def _named(value: ast.expr) -> str:
    match value:
        case ast.Name(id=name):
            return name.strip("_").lower()
        case ast.Attribute(value=inner, attr=("name" | "symbol" | "title" | "label" | "id")):
            return _named(inner)
        case ast.Attribute(attr=attr):
            return attr
        case ast.Subscript(value=inner, slice=ast.Constant(value=str(key))):
            return key if key.isidentifier() else _named(inner)
        case ast.Subscript(value=inner):
            return _named(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="get"), args=[ast.Constant(value=str(key)), *_]):
            return key
        case ast.Call(func=ast.Attribute(attr="join"), args=[first, *_]):
            return _named(first)
        case ast.Call(args=[first, *_]):
            return _named(first)
        case ast.Call(func=ast.Attribute(value=inner)):
            return _named(inner)
        case ast.BinOp(left=left) if not isinstance(left, ast.Constant):
            return _named(left)
        case ast.BinOp(right=right):
            return _named(right)
        case ast.BoolOp(values=[first, *_]):
            return _named(first)
        case ast.IfExp(body=body) if not isinstance(body, ast.Constant):
            return _named(body)
        case ast.GeneratorExp(elt=elt):
            return _named(elt)
    return "what"


if __name__ == "__main__":
    for one in sorted(said_elsewhere()):
        print(one)  # noqa: T201
