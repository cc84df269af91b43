"""Puts the last commit of this repository on a Hugging Face Space, with variables and hardware.

It knows nothing of the app. How the Space runs it (SDK, versions, start file) stands in the front
matter of README.md, which is uploaded with the rest. The token is read from HF_TOKEN or from
`hf auth login`, never from an argument.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    SpaceHardware,
    get_token,
)
from huggingface_hub.errors import HFValidationError, HTTPError, OfflineModeIsEnabled

ROOT = Path(__file__).resolve().parents[1]
# What a Space serves; tests, training and the tools' settings stay behind.
SERVED = (
    "README.md",
    "LICENSE",
    "NOTICE",
    "requirements.txt",
    "app.py",
    "assets/",
    "docs/",
    "ldm/",
)
LEFT_OUT = ("ldm/train/",)
# A Space writes this file itself, and needs it for its large files.
KEPT_REMOTELY = ".gitattributes"
SPACE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
# ZeroGPU wants functions marked for it and its own choice of torch; see README.md beside this file.
HARDWARE = tuple(kind.value for kind in SpaceHardware if not kind.value.startswith("zero"))


class DeployError(ValueError):
    """The deployment cannot be done as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """One deployment, decided before anything is sent."""

    space: str
    commit: str
    files: tuple[str, ...]
    variables: Mapping[str, str]
    hardware: SpaceHardware | None
    sleep_seconds: int | None
    private: bool

    def lines(self) -> list[str]:
        """What will be done, in order, one action a line."""
        size = sum((ROOT / name).stat().st_size for name in self.files)
        lines = [f"space     {self.space} ({'private' if self.private else 'public'} if it is new)"]
        lines += [f"variable  {name}={value}" for name, value in self.variables.items()]
        lines.append(f"upload    {len(self.files)} files, {size / 1e6:.1f} MB, of {self.commit}:")
        lines += [f"            {name}" for name in self.files]
        lines.append("remove    what the Space holds and this commit no longer has")
        if self.hardware is not None:
            lines.append(f"hardware  {self.hardware.value}")
        if self.sleep_seconds is not None:
            lines.append(f"sleep     after {self.sleep_seconds} s without a visitor")
        return lines


def git(*arguments: str) -> str:
    """Output of a git command in the repository; DeployError with git's own words if it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise DeployError("git: not installed, needed to know which files belong") from None
    except subprocess.CalledProcessError as error:
        raise DeployError(f"git {' '.join(arguments)}: {error.stderr.strip()}") from None
    return done.stdout


def served_files() -> tuple[str, ...]:
    """The committed files that a Space needs, sorted; DeployError unless they are as committed."""
    if changed := git("status", "--porcelain", "--untracked-files=no").strip():
        raise DeployError(f"files differ from the last commit; commit them first:\n{changed}")
    tracked = git("ls-files", "-z").split("\0")
    return tuple(
        sorted(
            name for name in tracked if name.startswith(SERVED) and not name.startswith(LEFT_OUT)
        )
    )


def read_variables(assignments: Sequence[str]) -> Mapping[str, str]:
    """NAME=VALUE strings as a mapping; DeployError for anything else or a name given twice."""
    variables: dict[str, str] = {}
    for assignment in assignments:
        match = VARIABLE.fullmatch(assignment)
        if match is None:
            raise DeployError(f"--variable: got {assignment!r}, allowed: NAME=VALUE")
        name, value = match.groups()
        if name in variables:
            raise DeployError(f"--variable: {name} is given twice")
        variables[name] = value
    return MappingProxyType(variables)


def make_plan(arguments: argparse.Namespace) -> Plan:
    """The arguments, checked, and the files of the last commit."""
    if not SPACE_NAME.fullmatch(arguments.space):
        raise DeployError(f"space: got {arguments.space!r}, allowed: owner/name")
    return Plan(
        space=arguments.space,
        commit=git("rev-parse", "--short", "HEAD").strip(),
        files=served_files(),
        variables=read_variables(arguments.variable),
        hardware=None if arguments.hardware is None else SpaceHardware(arguments.hardware),
        sleep_seconds=arguments.sleep,
        private=arguments.private,
    )


def carry_out(plan: Plan, api: HfApi) -> str:
    """Do what the plan says; returns the Space's address. Repeating it changes nothing more."""
    url = api.create_repo(
        plan.space, repo_type="space", space_sdk="gradio", private=plan.private, exist_ok=True
    )
    for name, value in plan.variables.items():
        api.add_space_variable(plan.space, name, value)
    stale = set(api.list_repo_files(plan.space, repo_type="space")) - {*plan.files, KEPT_REMOTELY}
    api.create_commit(
        plan.space,
        [
            *(CommitOperationAdd(name, ROOT / name) for name in plan.files),
            *(CommitOperationDelete(name) for name in sorted(stale)),
        ],
        commit_message=f"Deploy {plan.commit}",
        repo_type="space",
    )
    if plan.hardware is not None:
        api.request_space_hardware(plan.space, plan.hardware)
    if plan.sleep_seconds is not None:
        api.set_space_sleep_time(plan.space, plan.sleep_seconds)
    return str(url)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 when done, 2 when it cannot be done."""
    parser = argparse.ArgumentParser(description="Put the last commit on a Hugging Face Space.")
    parser.add_argument("space", help="owner/name of the Space, made where it is missing")
    parser.add_argument(
        "--hardware", choices=HARDWARE, help="what it runs on; left as it is if not given"
    )
    parser.add_argument(
        "--sleep", type=int, metavar="SECONDS", help="sleep after so long unvisited (-1: never)"
    )
    parser.add_argument(
        "--variable",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an environment variable of the Space, readable by everyone; repeatable",
    )
    parser.add_argument("--private", action="store_true", help="a new Space is private")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be done, and do nothing"
    )
    arguments = parser.parse_args(argv)
    try:
        plan = make_plan(arguments)
        print(*plan.lines(), sep="\n")
        if arguments.dry_run:
            return 0
        if get_token() is None:
            raise DeployError("HF_TOKEN: not set; a token with write access to the Space is needed")
        print(f"done      {carry_out(plan, HfApi())}")
    except (DeployError, HTTPError, HFValidationError, OfflineModeIsEnabled) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
