"""The npm packages the sprites come from: fetched with `npm pack`, checked by their SHA-512.

Knows the registry only through the ordinary client. Nothing of a package is run.
"""

import base64
import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path


class DataError(Exception):
    """The data cannot be fetched; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Package:
    """An npm package; `style` is what this project calls its art, `sha512` its registry entry."""

    style: str
    name: str
    version: str
    sha512: str  # base64, as in the registry's "integrity"

    @property
    def archive(self) -> str:
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES: tuple[Package, ...] = (
    Package(
        "fluent3d",
        "@lobehub/fluent-emoji-3d",
        "1.1.0",
        "Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
    ),
    Package(
        "noto",
        "@iconify-json/noto",
        "1.2.9",
        "DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
    ),
    Package(
        "fluentflat",
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
    ),
)


def _npm_pack(package: Package, folder: Path) -> None:
    wanted = f"{package.name}@{package.version}"
    command = ["npm", "pack", wanted, "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except FileNotFoundError:
        raise DataError(
            "npm: not found; the sprites come from npm packages. Install npm (Debian: "
            "apt-get install npm) and run `make train-data` again, or train on landscapes alone: "
            "--kinds landscape"
        ) from None
    except subprocess.TimeoutExpired:
        raise DataError(f"npm pack {wanted}: no answer in ten minutes; try again") from None
    if done.returncode:
        reason = [line for line in done.stderr.splitlines() if "npm error" in line]
        raise DataError(
            f"npm pack {wanted}: failed ({' '.join(reason[:2]) or done.stderr.strip()[-300:]}). "
            "The network is needed once; what was fetched before is kept."
        )


def fetch(package: Package, folder: Path) -> Path:
    """The package's archive in `folder`, fetched if it is not there. DataError says what failed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / package.archive
    if not path.exists():
        print(f"fetching {package.name} {package.version}", flush=True)
        _npm_pack(package, folder)
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if digest != package.sha512:
        raise DataError(
            f"{path}: got SHA-512 {digest}, allowed: {package.sha512}. "
            "Delete the file and try again"
        )
    return path


def read_members(path: Path, wanted: str) -> dict[str, bytes]:
    """The files of an npm archive whose path within the package starts with `wanted`."""
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.removeprefix("package/")
            if member.isfile() and name.startswith(wanted):
                file = archive.extractfile(member)
                assert file is not None  # regular files always open
                found[name] = file.read()
    return found
