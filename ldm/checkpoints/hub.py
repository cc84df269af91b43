"""Models of the Hugging Face Hub: from an id to files on this machine.

Owns which of a repository's files are fetched, and at which commit. Transfer, cache and locks are
those of ``huggingface_hub``: a file gets its name in the cache when it is whole, and two programs
that want it fetch it once. Its variables count here too (``HF_TOKEN``, ``HF_HUB_CACHE``,
``HF_HUB_OFFLINE``, ``HF_ENDPOINT``). Knows nothing of what is in the files.
"""

from __future__ import annotations

import glob
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from huggingface_hub import (
    HfApi,
    constants,
    get_cached_repo_tree,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import CachedRepoTreeNotFoundError
from tqdm.auto import tqdm

from ldm.checkpoints.files import (
    INDEX,
    MOST_NAMES_SHOWN,
    PICKLES,
    UNUSED,
    WHY_NO_PICKLES,
    CheckpointError,
    check_variant,
    check_weight_name,
    choose_weights,
    indexed_files,
    read_json,
)
from ldm.checkpoints.hub_errors import MORE_ROOM, HubId, plain_words, readable

# Of a repository's top folder: what tells of its parts, and the card, which names the licence.
_FIRST = (INDEX, "config.json", "README.md")
_STEMS = ("diffusion_pytorch_model", "model")  # of diffusers' and of transformers' weights
_SETTINGS = (".json", ".txt")  # configurations and vocabularies
_ID = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:/(.+))?", re.ASCII)


@dataclass(frozen=True)
class Transfer:
    """How far a download is."""

    file: str  # the one under way
    done: int  # bytes, of all the files that are fetched
    total: int


@dataclass(frozen=True)
class Fetched:
    """A model of the Hub that lies on this machine now."""

    path: Path  # a folder in diffusers' layout, or a .safetensors file
    model: HubId
    commit: str  # 40 hexadecimal digits: which version of the repository this is


Report = Callable[[Transfer], None]


def parse_id(text: str) -> HubId | None:
    """``owner/name`` or ``owner/name/folder/file.safetensors``; None for what is neither.

    Files of pickles are ids as well, so that they are refused with the reason.
    """
    match = _ID.fullmatch(text)
    if match is None:
        return None
    file = match[2] or ""
    if file and PurePosixPath(file).suffix not in (*PICKLES, ".safetensors"):
        return None
    return HubId(match[1], file)


class _Bar(tqdm):
    """A progress bar that is not shown: ``huggingface_hub`` counts bytes on bars alone."""

    def __init__(self, *_: object, total: float | None = None, **__: object) -> None:
        super().__init__(total=total, disable=True)

    def update_transfer(self, n: float | None = 1) -> None:
        """Bytes as they came over the wire, which ``update`` counts again as they are written."""

    def set_transfer_postfix_str(self, *_: object, **__: object) -> None:
        """The rate of another bar, which this one stands for too."""


def _meter(file: str, before: int, total: int, report: Report | None) -> type[_Bar]:
    """A class of bars that reports one file's bytes, ``before`` having come with others."""

    class Meter(_Bar):
        def update(self, n: float | None = 1) -> bool | None:
            nonlocal before
            before += int(n or 0)
            if report is not None:
                report(Transfer(file, before, total))
            return None

    return Meter


class _Repository:
    """A repository at one commit, in the cache as far as it has been fetched."""

    def __init__(self, model: HubId, commit: str, cache: Path) -> None:
        self.model, self.commit, self.cache = model, commit, cache
        self.folder = self._fetch_small(_FIRST)
        self.sizes = self._list()

    def _fetch_small(self, names: Sequence[str]) -> Path:
        """The folder of this commit, once it holds those of the files that there are."""
        return Path(
            snapshot_download(
                self.model.repo,
                revision=self.commit,
                cache_dir=self.cache,
                allow_patterns=[glob.escape(name) for name in names],
                tqdm_class=_Bar,
            )
        )

    def _list(self) -> Mapping[str, int]:
        """File -> bytes of all that the repository holds.

        A cache of huggingface_hub before 1.0 does not say; then of what it holds.
        """
        try:
            listed = get_cached_repo_tree(
                self.model.repo, revision=self.commit, cache_dir=self.cache
            )
        except CachedRepoTreeNotFoundError:
            return {
                path.relative_to(self.folder).as_posix(): path.stat().st_size
                for path in self.folder.rglob("*")
                if path.is_file()
            }
        return {file.path: file.size for file in listed}

    def _children(self, folder: str) -> list[str]:
        """Names of the files right in one of its folders, "" for the top one."""
        paths = (PurePosixPath(name) for name in self.sizes)
        return [path.name for path in paths if path.parent == PurePosixPath(folder)]

    def _refuse(self, where: str, names: Sequence[str]) -> CheckpointError:
        """A folder whose weights come in no form that is read here."""
        pickles = [name for name in names if name.endswith(PICKLES)]
        shown = ", ".join((pickles or names)[:MOST_NAMES_SHOWN]) or "nothing"
        place = f"{self.model}/{where}" if where else str(self.model)
        if not pickles:
            return CheckpointError(place, f"weights in other forms ({shown})", "safetensors")
        return CheckpointError(
            place,
            f"pickle files alone ({shown})",
            f"safetensors; {WHY_NO_PICKLES}. Some repositories have one in a pull request: "
            f"see {self.model.page}/discussions, then --revision refs/pr/NUMBER",
        )

    def _weights(self, folder: str, variant: str | None) -> list[str]:
        """Paths of a component's weights; an index is fetched, to be read."""
        names = self._children(folder)
        chosen = next(filter(None, (choose_weights(names, stem, variant) for stem in _STEMS)), None)
        if chosen is None:
            raise self._refuse(folder, [name for name in names if not name.endswith(_SETTINGS)])
        path = PurePosixPath(folder) / chosen
        if chosen.endswith(".safetensors"):
            return [str(path)]
        self._fetch_small([str(path)])
        return [str(path.with_name(name)) for name in indexed_files(self.folder / path)]

    def _components(self) -> list[str]:
        """The folders of the parts that are used; "" where the repository is one part itself."""
        if INDEX in self.sizes:
            entries = read_json(self.folder / INDEX).items()
            return [
                name
                for name, value in entries
                if isinstance(value, list) and value[-1] is not None and name not in UNUSED
            ]
        if "config.json" in self.sizes:
            return [""]
        singles = [name for name in self._children("") if name.endswith(".safetensors")]
        if not singles:
            raise self._refuse("", self._children(""))
        shown = " or ".join(f"{self.model.repo}/{name}" for name in singles[:MOST_NAMES_SHOWN])
        raise CheckpointError(str(self.model), f"a repository without {INDEX}", shown)

    def fetch_folder(self, variant: str | None, report: Report | None) -> Path:
        """The model folder with every file that is used."""
        components = self._components()
        used = [name for name in self.sizes if name.rpartition("/")[0] in components]
        check_variant(str(self.model), used, variant)
        settings = [
            name for name in used if name.endswith(_SETTINGS) and ".safetensors.index" not in name
        ]
        weights: list[str] = []
        for folder in components:
            if "config.json" in self._children(folder):  # else: a tokenizer, the scheduler
                weights += self._weights(folder, variant)
        self._fetch_small(settings)
        self._fetch_large(weights, report)
        return self.folder

    def fetch_file(self, report: Report | None) -> Path:
        """The one file that is the model."""
        if self.model.file not in self.sizes:
            names = [name for name in self.sizes if name.endswith(".safetensors")]
            names.sort(key=lambda name: name.count("/"))  # whole models before parts of one
            shown = ", ".join(names[:MOST_NAMES_SHOWN]) or "none that is read here"
            raise CheckpointError(str(self.model), "no such file", f"of {self.model.repo}: {shown}")
        self._fetch_large([self.model.file], report)
        return self.folder / self.model.file

    def _fetch_large(self, names: Sequence[str], report: Report | None) -> None:
        """One after another: each is transferred in parallel parts where the Hub offers that."""
        missing = [name for name in names if not (self.folder / name).exists()]
        total = sum(self.sizes.get(name, 0) for name in missing)
        self._check_room(total)
        before = 0
        for name in missing:
            hf_hub_download(
                self.model.repo,
                name,
                revision=self.commit,
                cache_dir=self.cache,
                tqdm_class=_meter(name, before, total, report),
            )
            before += self.sizes.get(name, 0)

    def _check_room(self, needed: int) -> None:
        """Refuse before the first byte what cannot end well.

        What another program has fetched of it by now takes room that will not be needed again.
        """
        store = self.folder.parents[1]
        store.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(store).free
        for path in (store / "blobs").glob("*.incomplete"):
            with suppress(FileNotFoundError):  # it has just been completed
                free += path.stat().st_size
        if needed > free:
            got = f"{readable(free)} free in {self.cache}"
            raise CheckpointError(str(self.model), got, f"{readable(needed)}: {MORE_ROOM}")


def fetch(
    model: str,
    revision: str | None = None,
    variant: str | None = None,
    report: Report | None = None,
    cache: Path | None = None,
) -> Fetched:
    """Bring a model of the Hub to this machine, and say where it lies and which version it is.

    Of a repository in diffusers' layout only the parts that are used are fetched, and of each one
    version of its weights (see :func:`ldm.checkpoints.files.choose_weights`). What lies in the
    cache is not fetched again; without a connection the cache alone answers.

    Args:
        model: ``owner/name``, or ``owner/name/file.safetensors``.
        revision: a branch, tag or commit; None: main.
        variant: of the weights, such as "fp16".
        report: called as bytes arrive, in this thread or another; what it raises ends the
            download.
        cache: a folder; None: that of ``huggingface_hub``.

    Raises:
        CheckpointError: there is no such model, no permission, no connection, no room; or it has
            no weights that are read here.
    """
    wanted = parse_id(model)
    if wanted is None:
        raise CheckpointError(
            model, "no id of the Hub", "owner/name or owner/name/FILE.safetensors"
        )
    if wanted.file:
        check_weight_name(PurePosixPath(str(wanted)))
    place = Path(cache or constants.HF_HUB_CACHE)
    with plain_words(wanted, revision, place):
        version = HfApi().resolve_revision(wanted.repo, revision=revision, cache_dir=place)
        repository = _Repository(wanted, version.resolved, place)
        if wanted.file:
            path = repository.fetch_file(report)
        else:
            path = repository.fetch_folder(variant, report)
    return Fetched(path, wanted, version.resolved)
