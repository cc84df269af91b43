"""The project keeps its own promises: pins, Space settings, README's tree, sizes."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==([0-9][A-Za-z0-9.]*)")
# Distributions whose names differ from their modules'.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "resvg_py": "resvg-py",
    "skia": "skia-python",
    "yaml": "PyYAML",
}

# Settings a Space needs, and what each must look like.
SPACE_SETTINGS = {
    "title": r".{3,40}",
    "emoji": r"\W{1,2}",
    "colorFrom": r"red|yellow|green|blue|indigo|purple|pink|gray",
    "colorTo": r"red|yellow|green|blue|indigo|purple|pink|gray",
    "sdk": r"gradio",
    "sdk_version": r"\d+\.\d+\.\d+",
    "python_version": r"3\.\d+(\.\d+)?",
    "app_file": r"app\.py",
    "license": r"apache-2\.0",
    "short_description": r".{10,60}",
    "suggested_hardware": r"[a-z0-9-]+",
    "startup_duration_timeout": r"\d+m",
}
# A folder of one person's or one machine's, as it must not stand in what others read.
PERSONAL_PATH = re.compile(r"(?<![\w.~/$)}\"'-])/(?:home|Users|root|work|mnt|media)/[\w.]")


def project_files() -> list[Path]:
    """Every file that is committed, or would be by `git add --all`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({path for name in listed.split("\0") if name and (path := ROOT / name).is_file()})


def part(path: Path) -> str:
    """The part of ldm a source belongs to, or "app", "tests" and so on for what is outside it."""
    inside = path.relative_to(ROOT).with_suffix("").parts
    return inside[0] if inside[0] != "ldm" else inside[1].replace("__init__", "")


def sources(*parts: str) -> list[Path]:
    return [path for path in project_files() if path.suffix == ".py" and part(path) in parts]


def imported_modules(path: Path) -> set[str]:
    """Dotted names that a source imports, anywhere in it; `from a import b` gives `a.b`."""
    package = path.relative_to(ROOT).parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*above, node.module] if node.module else above)
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def third_party(paths: list[Path]) -> set[str]:
    """Distributions that sources import."""
    tops = {module.split(".")[0] for path in paths for module in imported_modules(path)}
    tops -= {"app", "benchmarks", "ldm", "tests", *sys.stdlib_module_names}
    return {DISTRIBUTIONS.get(top, top) for top in tops}


def pins(name: str) -> dict[str, str]:
    """Distribution -> version of a requirements file and of those it includes."""
    found: dict[str, str] = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= pins(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            pin = PIN.fullmatch(line)
            assert pin, f"{name}: {line!r} is not pinned with =="
            found[pin[1]] = pin[2]
    return found


def front_matter() -> dict[str, Any]:
    """The settings for Spaces at the head of README.md."""
    before, settings, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert before == "", "the settings must be the first thing in README.md"
    return yaml.safe_load(settings)


def parts_of_the_app() -> set[str]:
    """The parts of ldm, and app.py's own, as `sources` takes them."""
    return {part(path) for path in project_files() if path.is_relative_to(ROOT / "ldm")} | {"app"}


def tree_entries() -> list[str]:
    """The paths that the tree in README.md names; two spaces a level."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^## The repository$.*?^```text\n(.*?)^```$", readme, re.M | re.S)
    assert block, "README.md has no tree under 'The repository'"
    entries: list[str] = []
    folders: list[str] = []
    for line in block[1].splitlines():
        name = line.split()[0]
        folders[(len(line) - len(line.lstrip())) // 2 :] = [name]
        entries.append("".join(folders))
    return entries


def children(folder: Path) -> set[str]:
    """What of the project stands in a folder, from the top folder; folders end in "/"."""
    names: set[str] = set()
    for path in project_files():
        if path.is_relative_to(folder):
            child = folder / path.relative_to(folder).parts[0]
            names.add(f"{child.relative_to(ROOT)}{'' if child == path else '/'}")
    return names


def test_every_requirement_is_pinned_to_the_installed_version() -> None:
    for name, version in pins("requirements-dev.txt").items():
        # A CPU build of torch calls itself 2.13.0+cpu and answers to the same pin.
        assert importlib.metadata.version(name).split("+")[0] == version, name


@pytest.mark.parametrize(
    ("requirements", "parts"),
    [
        ("requirements.txt", sorted(parts_of_the_app() - {"train", "scale"})),
        ("requirements-scale.txt", ["scale"]),
        ("requirements-train.txt", ["train"]),
        ("requirements-dev.txt", ["tests", "benchmarks", ".huggingface"]),
    ],
)
def test_what_the_sources_import_is_required_where_they_run(
    requirements: str, parts: list[str]
) -> None:
    assert third_party(sources(*parts)) <= set(pins(requirements))


def test_space_settings_are_complete_and_well_formed() -> None:
    settings = front_matter()
    for name, pattern in SPACE_SETTINGS.items():
        assert isinstance(settings.get(name), str), f"{name}: {settings.get(name)!r} is not text"
        assert re.fullmatch(pattern, settings[name]), f"{name}: {settings[name]!r}"
    assert settings["sdk_version"] == pins("requirements.txt")["gradio"]
    assert settings["tags"] and all(isinstance(tag, str) for tag in settings["tags"])


def test_readme_tree_names_what_is_there() -> None:
    missing = [entry for entry in tree_entries() if not (ROOT / entry).exists()]
    assert not missing


def test_readme_tree_leaves_no_part_out() -> None:
    """Everything in the top folder and in ldm/ is named."""
    wanted = {entry for folder in (ROOT, ROOT / "ldm") for entry in children(folder)}
    assert wanted - {"ldm/__init__.py", ".gitignore"} <= set(tree_entries())


def test_readme_lists_every_environment_variable() -> None:
    settings = (ROOT / "ldm" / "ui" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r"\b(?:PORT|LDM_[A-Z_]+)\b", settings))
    listed = (ROOT / "README.md").read_text(encoding="utf-8")
    assert read == set(re.findall(r"^\| `([A-Z_]+)` \|", listed, re.M))


def functions_of(path: Path) -> set[str]:
    """The names of a file's functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_readme_names_is_there() -> None:
    """In the table of families with a letter for its file; a bracket holds what a test is run for,
    which must stand quoted in the file or in the models that it goes through.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files = {
        letter: ROOT / path
        for letter, path in re.findall(r"\b([A-Z])(?: is)? `(tests/[\w/.]+)`", readme)
    }
    models = [ROOT / "tests/small_models.py", ROOT / "tests/checkpoints/small_models.py"]
    named = re.findall(r"\b([A-Z]) `(test_\w+)((?:\[\w+\]|`, `)*)`", readme)
    assert len(named) > 30
    for letter, name, cases in named:
        assert name in functions_of(files[letter]), name
        known = "".join(path.read_text(encoding="utf-8") for path in (files[letter], *models))
        for case in re.findall(r"\w+", cases):
            assert f'"{case}"' in known, f"{name}[{case}]"
    for path in re.findall(r"`(tests/[\w/.]+)`", readme):
        assert (ROOT / path).exists(), path


def test_no_file_is_too_large_for_a_public_repository() -> None:
    assert not [path for path in project_files() if path.stat().st_size >= 100_000_000]


def test_no_file_names_a_folder_of_one_machine() -> None:
    found: list[str] = []
    for path in project_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8")
        found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in PERSONAL_PATH.finditer(text)]
    assert not found


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"
    assert "\nmake test\n" in (ROOT / "README.md").read_text(encoding="utf-8")
