"""Every message has a golden file: a function that makes one is reached by a test that compares with one.

Found in the source: what a test that calls `check` names, what that names in turn, through helpers, commands and
renderers. A function counts as making a message if it stands in a module of renderers, returns text, and is used
outside of those modules; what only renderers use is a part of their messages.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import marginbot

PACKAGE = Path(marginbot.__file__).parent
ROOT = PACKAGE.parent
TESTS = Path(__file__).parent
Function = tuple[str, str]  # module, name

# They lead everywhere: what is only reached through them was not compared.
SWITCHBOARDS = {f"marginbot.bot.{name}" for name in ("presses", "guard", "build", "table", "voice", "messenger")}
# What is no message of its own, and why.
EXEMPT: dict[Function, str] = {
    ("marginbot.bot.render", "to_rich"): "turns the markup of a message into that of a terminal",
    ("marginbot.bot.render_reports", "at_minute"): "a time of day, in a message of its command",
    ("marginbot.bot.render_settings", "of_grade"): "the word on a button",
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@cache
def imported(module: str) -> dict[str, Function]:
    """What names stand for: ("a.b", "") is the module itself."""
    found: dict[str, Function] = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found[alias.asname or alias.name] = (inner, "") if exists(inner) else (node.module, alias.name)
    return found


@cache
def exists(module: str) -> bool:
    return (ROOT / Path(*module.split("."))).with_suffix(".py").exists()


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8"))


@cache
def defined(module: str) -> dict[str, ast.stmt]:
    """Functions, classes and constants of a module."""
    found: dict[str, ast.stmt] = {}
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def named(module: str, node: ast.AST) -> Iterator[Function]:
    """What a piece of a module refers to."""
    names = imported(module)
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            if each.id in defined(module):
                yield module, each.id
            elif each.id in names and names[each.id][1]:
                yield names[each.id]
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            at = names.get(each.value.id, ("", "-"))
            if not at[1]:
                yield at[0], each.attr


def modules(folder: Path, pattern: str = "*.py") -> list[str]:
    return [module_of(path) for path in sorted(folder.rglob(pattern)) if path.name != "__init__.py"]


def messages() -> set[Function]:
    renderers = set(modules(PACKAGE / "bot", "render*.py"))
    outside = [module for module in modules(PACKAGE) if module not in renderers]
    used = {about for module in outside for about in named(module, tree(module))}
    return {
        (module, name)
        for module in renderers
        for name, node in defined(module).items()
        if isinstance(node, ast.FunctionDef) and not name.startswith("_") and (module, name) in used
        if node.returns is not None and ast.unparse(node.returns) == "str"
    }


def compared() -> set[Function]:
    """What is reached from the tests that compare with golden files."""
    left = [
        about
        for module in modules(TESTS)
        for name, node in defined(module).items()
        if name.startswith("test_") and ("tests.bot.golden", "check") in set(named(module, node))
        for about in [(module, name)]
    ]
    reached: set[Function] = set()
    while left:
        at = left.pop()
        module, name = at
        if at in reached or module in SWITCHBOARDS or not exists(module) or name not in defined(module):
            continue
        reached.add(at)
        left += named(module, defined(module)[name])
    return reached


def test_every_message_is_compared_with_a_golden_file() -> None:
    found = messages()
    assert len(found) > 40
    missing = found - compared()
    assert sorted(missing - set(EXEMPT)) == [], "compare it in a test: check(name, html)"
    assert sorted(set(EXEMPT) - missing) == [], "no longer an exception"
