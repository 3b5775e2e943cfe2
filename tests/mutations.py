"""Do the tests notice a broken line?  ``python -m tests.mutations [--rooms tables,data] [--each 12] [--seed 0]``

Breaks one place of the package at a time (a comparison, an operator, a constant, a ``not``), runs the room's tests and
the corpus of bits with ``-x``, and puts the file back. A mutant that no test notices survives: either a test is
missing, or the change means nothing (another block size, say). Files for a GPU, which the tests of a machine without
one cannot notice, are left out. Survivors are printed; the status is 1 if more than a
fifth survive. For `scalar`, `theory` and the judge, where a claim must notice, see `analysis.mutate`. A room whose
tests fail without a mutant is a failure: each of its mutants would seem to be noticed. Works on the checkout itself, so
run it on a copy, as ``.ci/nightly`` does.
"""

from __future__ import annotations

import argparse
import ast
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("quantizer", "tables", "verification", "data", "training", "serving", "models")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.And: ast.Or, ast.Or: ast.And, ast.RShift: ast.LShift, ast.LShift: ast.RShift,
}  # fmt: skip
MOST_SURVIVORS = 0.2


def places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Nodes that can be broken, in the order of the source; annotations and the top of the module are left alone."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in (inner for statement in function.body for inner in ast.walk(statement)):
                if isinstance(node, ast.Compare):
                    yield node, "ops"
                elif isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in SWAPS:
                    yield node, "op"
                elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
                    yield node, "value"
                elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                    yield node, "not"


def broken(source: str, number: int) -> tuple[str, str] | None:
    """The source with its place `number` broken, and what was done; None where that place cannot be."""
    tree = ast.parse(source)
    node, what = list(places(tree))[number]
    before = ast.unparse(node)
    if isinstance(node, ast.Compare):
        if type(node.ops[0]) not in SWAPS:
            return None
        node.ops[0] = SWAPS[type(node.ops[0])]()  # type: ignore[assignment]
    elif isinstance(node, (ast.BinOp, ast.BoolOp)):
        node.op = SWAPS[type(node.op)]()  # type: ignore[assignment]
    elif isinstance(node, ast.Constant):
        node.value = node.value + 1  # type: ignore[operator]
    elif isinstance(node, ast.UnaryOp):
        node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)
    line = getattr(node, "lineno", 0)
    return ast.unparse(tree) + "\n", f"line {line}: {before}  ->  {ast.unparse(node)} ({what})"


def noticed(room: str) -> bool:
    """Whether a test of the room, or a digest, fails."""
    folders = [folder for folder in (f"tests/{room}", "tests/bits") if (ROOT / folder).is_dir()]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *folders]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=900, check=False)
    except subprocess.TimeoutExpired:  # it never ends: noticed
        return True
    return done.returncode != 0


def main() -> int:
    """Break, test, put back; print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", default=",".join(ROOMS))
    parser.add_argument("--each", type=int, default=12, help="mutants for each room")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    drawn = random.Random(options.seed)
    tried, survivors, red = 0, 0, []
    for room in options.rooms.split(","):
        if noticed(room):
            print(f"RED      tests of {room} fail without a mutant", flush=True)
            red.append(room)
            continue
        files = sorted((ROOT / "alpt_ref" / room).rglob("*.py"))
        sources = {file: file.read_text() for file in files if "cuda" not in file.relative_to(ROOT).as_posix()}
        every = [(file, i) for file, text in sources.items() for i in range(len(list(places(ast.parse(text)))))]
        for file, number in drawn.sample(every, min(options.each, len(every))):
            mutant = broken(sources[file], number)
            if mutant is None:
                continue
            tried += 1
            try:
                file.write_text(mutant[0])
                alive = not noticed(room)
            finally:
                file.write_text(sources[file])
            survivors += alive
            print(f"{'SURVIVED' if alive else 'noticed '} {file.relative_to(ROOT)} {mutant[1]}", flush=True)
    print(f"{survivors} of {tried} mutants survived")
    return int(survivors > MOST_SURVIVORS * tried or bool(red))


if __name__ == "__main__":
    raise SystemExit(main())
