"""Measurements call no function of numpy whose last digit depends on the processor."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[4]
# numpy has loops for AVX-512 of these; those of integer powers up to 2 are products.
NAMES = (
    "sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh exp exp2 "
    "expm1 log log2 log10 log1p cbrt power float_power dot matmul inner vdot tensordot linalg"
)
FUNCTIONS = frozenset(NAMES.split())
# The first takes such functions of complex numbers, where numpy calls the C library; the second is
# for the borders of cutouts, which have a tolerance.
EXEMPT = ("sky/elementary_functions.py", "sky/regions.py")


def own_modules(path: Path) -> Iterator[Path]:
    """Yield the files of sky that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sky"):
            file = ROOT / f"{(node.module or '').replace('.', '/')}.py"
            if file.exists():
                yield file


def measuring_files() -> set[Path]:
    """Return the files of the service and all of sky that they need, one through another."""
    found = set((ROOT / "services" / "extract").rglob("*.py"))
    waiting = list(found)
    while waiting:
        for file in own_modules(waiting.pop()):
            if file not in found:
                found.add(file)
                waiting.append(file)
    return found


def is_power_of_arrays(node: ast.BinOp) -> bool:
    """Return whether it is a power that may be one of arrays, other than a square."""
    if not isinstance(node.op, ast.Pow):
        return False
    names = {each.id for each in ast.walk(node.left) if isinstance(each, ast.Name)}
    is_square = isinstance(node.right, ast.Constant) and node.right.value in (0.5, 2)
    return bool(names - {"math"}) and not is_square


def is_matrix_product(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.MatMult)


def suspects(source: str) -> Iterator[int]:
    """Yield the lines of a source that call such a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "np" and node.attr in FUNCTIONS:
                yield node.lineno
        elif isinstance(node, ast.BinOp) and (is_matrix_product(node) or is_power_of_arrays(node)):
            yield node.lineno


def test_measurements_call_no_function_that_depends_on_the_processor() -> None:
    files = measuring_files()
    assert ROOT / "sky" / "geometry.py" in files
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted(files)
        if file.relative_to(ROOT).as_posix() not in EXEMPT
        for line in suspects(file.read_text(encoding="utf-8"))
    ]
    assert not found, "use sky.elementary_functions and sky.small_matrices"


def test_such_calls_are_seen() -> None:
    for line in ("np.sin(x)", "np.linalg.inv(x)", "a @ b", "x ** 1.5", "f(x) ** y"):
        assert list(suspects(line)) == [1], line
    for line in ("math.sin(x)", "x ** 2", "10 ** 3", "(2 * math.pi) ** -1.5", "np.sqrt(x)"):
        assert not list(suspects(line)), line
