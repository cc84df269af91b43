"""Imports run one way, and nothing here imports another engine or anything that unpickles."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each line may import from the lines above it. Within the first line nobody knows the others;
# within a later line neighbours may import one another, though not in a circle.
LAYERS = (
    ("models", "diffusion", "imaging", "alternatives"),
    ("recipe", "checkpoints", "conditioning", "explain", "events", "preview", "pipeline"),
    ("collection", "engine", "train"),
    ("ui", "scale"),
    ("command_line", "__main__", "app"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN = {"diffusers", *UNPICKLERS}
SOURCES = sorted([*(ROOT / "ldm").rglob("*.py"), *ROOT.glob("app.py")])


def part_of(module: str) -> str | None:
    """ "ldm.diffusion.schedule" -> "diffusion"; None for other libraries and for `ldm` itself."""
    names = module.split(".")
    if names[0] == "app":
        return "app"
    return names[1] if names[0] == "ldm" and len(names) > 1 else None


def imported_modules(tree: ast.AST, package: str) -> list[str]:
    """Full names of everything imported anywhere in a file, functions and type checks included."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found += [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            name = ast.unparse(node.func).rpartition(".")[2]
            first = node.args[0]
            if name in ("import_module", "__import__") and isinstance(first, ast.Constant):
                found.append(str(first.value))
    return found


def module_name(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def dangers(source: str, package: str = "ldm") -> list[str]:
    """What a file does that can unpickle, or that borrows another engine."""
    tree = ast.parse(source)
    found = []
    for module in imported_modules(tree, package):
        if module.split(".")[0] in FORBIDDEN or module == "torch.load":
            found.append(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.hub"):
            found.append(ast.unparse(node))
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
            found.append(node.arg)
    return found


def edges(path: Path) -> set[tuple[str, str]]:
    """(importing part, imported part), one pair for each other part of the project."""
    name = module_name(path)
    own = part_of(name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    modules = imported_modules(ast.parse(path.read_text("utf-8")), package)
    # `from ldm import __version__` names no part.
    others = {part_of(module) for module in modules} - {None, own, "__version__"}
    return {(own, other) for other in others if other} if own else {("ldm", str(o)) for o in others}


def breaks_the_rule(importing: str, imported: str) -> bool:
    if LEVEL[importing] == 0:
        return True
    return LEVEL[imported] > LEVEL[importing]


def test_every_part_has_its_place():
    parts = {part_of(module_name(path)) for path in SOURCES} - {None}
    assert parts <= LEVEL.keys(), "give a new part of ldm its line in LAYERS"


def test_imports_run_one_way():
    found = set().union(*(edges(path) for path in SOURCES))
    assert found, "no imports were found: this test has gone blind"
    wrong = [pair for pair in sorted(found) if pair[0] == "ldm" or breaks_the_rule(*pair)]
    assert not wrong


def test_no_circle_between_parts():
    graph: dict[str, set[str]] = {}
    for importing, imported in set().union(*(edges(path) for path in SOURCES)):
        graph.setdefault(importing, set()).add(imported)
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle in it


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_engine_and_no_unpickling(path):
    assert dangers(path.read_text("utf-8"), module_name(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import diffusers",
        "from diffusers.models import unets",
        "def f():\n    import pickle",
        "from torch import load",
        "import torch\ntorch.load('x')",
        "read = torch.load",
        "import importlib\nimportlib.import_module('diffusers')",
        "numpy.load(path, allow_pickle=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert dangers(source)


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("from ldm.models.unet import UNet", "ldm", "ldm.models.unet.UNet"),
        ("from .masks import feather", "ldm.imaging", "ldm.imaging.masks.feather"),
        ("from ..recipe import Recipe", "ldm.imaging", "ldm.recipe.Recipe"),
        ("from ldm import recipe", "ldm", "ldm.recipe"),
    ],
)
def test_imports_are_read_in_every_form(source, package, expected):
    assert imported_modules(ast.parse(source), package) == [expected]


@pytest.mark.parametrize(
    "module", ["ldm", "ldm.recipe", "ldm.imaging", "ldm.command_line", "ldm.__main__"]
)
def test_torch_is_not_imported_before_it_is_needed(module):
    """So that the command line answers a mistake in a third of a second, not in three."""
    code = f"import sys, {module}; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
