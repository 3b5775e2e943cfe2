"""Generic mutants: every place of a source that a rule can break, from its syntax tree.

Rules: a constant (plus one, or doubled), a comparison (strict or not, equal or not), an arithmetic or bit operator, a
dropped term or factor, a dropped ``not``, minus sign, ``sqrt`` or ``abs``, ``and`` for ``or``, ``min`` for ``max``, the
first two arguments of a call swapped, one less at the end of a ``range``. Left alone are docstrings, annotations,
decorators, and what only refuses bad input (an ``if`` that does nothing but raise, ``__post_init__``, ``__repr__``):
unit tests look at those.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Iterator

from .named import Mutant

_COMPARE: dict[type[ast.AST], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATOR: dict[type[ast.AST], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.MatMult: ast.Mult,
}  # fmt: skip
_TERMS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
_DROPPED = ("sqrt", "abs", "log", "exp", "floor")
_SYMMETRIC = {"mul", "min", "max", "zip", "range", "isinstance", "getattr", "hasattr", "print", "InputError"}
_SKIPPED = ("__post_init__", "__repr__")
Change = tuple[str, ast.expr, ast.expr]
"""Rule, node, and what takes its place."""


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of a source, in its order; `file` is its path relative to the root."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    encoded = source.encode()
    found: list[Mutant] = []
    counts: dict[tuple[str, str, str, str], int] = {}
    spans = _spans(tree)
    for function, (rule, node, new) in _changes(tree):
        if ast.dump(node) == ast.dump(new):
            continue  # two equal arguments swapped
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        text = f"({ast.unparse(new)})"
        changed = (encoded[:begin] + text.encode() + encoded[end:]).decode()
        old = " ".join(encoded[begin:end].decode().split())
        rest = encoded[end:].split(b"\n", 1)[0]
        broken = " ".join((encoded[starts[node.lineno - 1] : begin] + text.encode() + rest).decode().split())
        shown = " ".join(ast.unparse(new).split())
        same = (function, rule, old, shown)
        counts[same] = counts.get(same, 0) + 1
        digest = hashlib.sha256(repr((*same, counts[same])).encode()).hexdigest()[:10]
        found.append(
            Mutant(
                f"{file}:{function}:{digest}", rule, {file: changed}, where=f"{file}:{function}", old=old, new=shown,
                lines=spans.get(id(node), (0, 0)), line=broken,
            )
        )  # fmt: skip
    return found


def _spans(tree: ast.Module) -> dict[int, tuple[int, int]]:
    """For each expression inside a function the lines of its statement, without those of a body; by `id`."""
    found: dict[int, tuple[int, int]] = {}

    def visit(node: ast.AST, span: tuple[int, int], inside: bool) -> None:
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            body: list[ast.AST] = [*node.body] if isinstance(node, ast.FunctionDef) else [node.body]
            for part in body:
                visit(part, span, True)
            for part in ast.iter_child_nodes(node.args):
                visit(part, span, inside)
            return
        if isinstance(node, ast.stmt):
            span = (node.lineno, node.end_lineno or node.lineno)
        if isinstance(node, ast.expr):
            found[id(node)] = span if inside else (0, 0)
        for _, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.expr) and hasattr(node, "body") and isinstance(node, ast.stmt):
                    visit(child, (child.lineno, child.end_lineno or child.lineno), inside)  # the head of a loop
                elif isinstance(child, ast.AST):
                    visit(child, span, inside)

    visit(tree, (0, 0), False)
    return found


def _changes(tree: ast.Module) -> Iterator[tuple[str, Change]]:
    """Every change with the name of the function that it stands in."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        function, node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if node.name in _SKIPPED:
                continue
            function = f"{function}.{node.name}".lstrip(".")
        if isinstance(node, ast.expr):
            yield from ((function or "module", change) for change in _broken(node))
        waiting += [(function, child) for child in reversed(list(_children(node)))]


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """What may be broken below a node."""
    if isinstance(node, ast.If) and all(isinstance(one, ast.Raise) for one in node.body) and not node.orelse:
        return
    if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return
    if isinstance(node, ast.FunctionDef):
        yield from (default for default in node.args.defaults)
        yield from (default for default in node.args.kw_defaults if default is not None)
        yield from node.body
    elif isinstance(node, ast.ClassDef):
        yield from node.body
    elif isinstance(node, ast.AnnAssign):
        yield from [node.value] if node.value is not None else []
    elif isinstance(node, ast.Assign) and any(
        isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets
    ):
        return
    else:
        yield from ast.iter_child_nodes(node)


def _broken(node: ast.expr) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        assert isinstance(node.value, (int, float))
        changed = 2 * node.value if isinstance(node.value, float) and node.value else node.value + 1
        yield "constant", node, ast.Constant(changed)
    elif isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            other = copy.copy(node)
            other.ops = [*node.ops[:i], _COMPARE[type(operator)](), *node.ops[i + 1 :]]
            yield "comparison", node, other
    elif isinstance(node, ast.BoolOp):
        yield "and/or", node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        if not isinstance(node.operand, ast.Constant):
            yield "dropped sign", node, node.operand
    elif isinstance(node, ast.BinOp):
        if type(node.op) in _OPERATOR:
            yield "operator", node, ast.BinOp(node.left, _OPERATOR[type(node.op)](), node.right)
        if isinstance(node.op, _TERMS):
            what = "dropped term" if isinstance(node.op, (ast.Add, ast.Sub)) else "dropped factor"
            yield what, node, node.left
            if isinstance(node.op, (ast.Add, ast.Mult)):
                yield what, node, node.right
    elif isinstance(node, ast.Call):
        yield from _broken_call(node)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _broken_call(node: ast.Call) -> Iterator[Change]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in _EXTREMES and node.args:
        function = copy.copy(node.func)
        if isinstance(function, ast.Attribute):
            function.attr = _EXTREMES[name]
        elif isinstance(function, ast.Name):
            function.id = _EXTREMES[name]
        yield "min/max", node, ast.Call(function, node.args, node.keywords)
    elif name in _DROPPED and len(node.args) == 1 and not node.keywords:
        yield f"dropped {name}", node, node.args[0]
    elif name == "range" and node.args:
        last = 0 if len(node.args) == 1 else 1
        shorter = list(node.args)
        shorter[last] = ast.BinOp(node.args[last], ast.Sub(), ast.Constant(1))
        yield "off by one", node, ast.Call(node.func, shorter, [])
    elif isinstance(node.func, ast.Name) and name not in _SYMMETRIC and name.islower() and len(node.args) >= 2:
        if any(isinstance(one, ast.Starred) or _is_text(one) for one in node.args[:2]):
            return
        swapped = [node.args[1], node.args[0], *node.args[2:]]
        yield "swapped arguments", node, ast.Call(node.func, swapped, node.keywords)
