"""Finds text for people that is not looked up in the catalogues.

A literal with a word in it (two letters in a row, outside of markup and of /commands) is text for people, unless it
stands where only the program reads it: in a comparison, as a key, in a pattern, in the log, as the data of a button,
as the name of an error, in a constant that is not public or that is named below.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MARKUP = re.compile(r"</?[a-z]+(?:\s[^>]*)?>|https?://\S*|\?start=|/[a-z_]+|\[LABEL\]")
WORD = re.compile(r"[A-Za-z]{2,}")
LOOKED_UP = frozenset({"_", "plural", "later", "wrong_usage"})
NOT_SHOWN = re.compile(r"^(log|re|datetime)\.|(\.|^)(startswith|endswith|removeprefix|partition|split|isoformat|pop)$")
KEYS = frozenset({"data", "url", "name", "usage", "filename", "expires_at"})
# What is typed or stored, and names of periods and the like that never leave the program.
CONSTANTS = frozenset(
    {"YES", "PAYLOAD", "LADDER_NAMES", "FORGET", "ALWAYS", "BLOCKED", "STOPPED_BY", "AUTOMATIC", "NAME", "MOVES"}
)
SAME_EVERYWHERE = frozenset({"UTC", "USD", "utf-16-le", "main", "theme", "label", "period", "account"})


def unwrapped(source: str) -> list[tuple[int, str]]:
    """Line and text of what is not looked up."""
    tree = ast.parse(source)
    return sorted(set(_within(tree)))


def _within(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and is_text(node.value):
            yield node.lineno, node.value
        return
    for child in _read(node):
        yield from _within(child)


def is_text(value: str) -> bool:
    return value.strip() not in SAME_EVERYWHERE and WORD.search(MARKUP.sub("", value)) is not None


def _read(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node whose literals a person may read."""
    match node:
        case ast.Compare() | ast.Import() | ast.ImportFrom() | ast.arguments() | ast.pattern():
            return
        case ast.Expr(value=ast.Constant()):  # a docstring
            return
        case ast.ClassDef(bases=bases) if any(ast.unparse(base).endswith("Enum") for base in bases):
            return
        case ast.Assign(targets=[ast.Name(id=name)]) if name in CONSTANTS or name.startswith("_") or "USAGE" in name:
            return
        case ast.AnnAssign(target=ast.Name(id=name)) if name.startswith("_"):
            return
        case ast.AnnAssign(value=value):
            yield from [value] if value else []
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            yield from body
        case ast.Subscript(value=value):
            yield value
        case ast.Dict(values=values):
            yield from values
        case ast.FormattedValue(value=value):
            yield value
        case ast.Raise(exc=ast.Call(keywords=keywords)):
            yield from (keyword.value for keyword in keywords if keyword.arg == "advice")
        case ast.Call():
            yield from _of_call(node)
        case _:
            yield from ast.iter_child_nodes(node)


def _of_call(node: ast.Call) -> Iterator[ast.AST]:
    name = ast.unparse(node.func)
    if name in LOOKED_UP:
        yield from (keyword.value for keyword in node.keywords)
        return
    if name.endswith("Error"):
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "advice")
        return
    if NOT_SHOWN.search(name):
        if isinstance(node.func, ast.Attribute):
            yield node.func.value
        return
    yield node.func
    skipped = 1 if name.endswith(".get") else 0
    shown = node.args[:1] if name == "Button" else node.args[skipped:]
    yield from shown
    yield from (keyword.value for keyword in node.keywords if keyword.arg not in KEYS)
