"""`python -m ldm.train.sprites`: fetch the emoji art, check it, render it once into a store.

Nothing is fetched or rendered again if it is there. What comes out stays out of git.
"""

import argparse
import sys
from pathlib import Path

from ldm.train.scenes.things.store import FOLDER, INDEX, SpriteStore, write_store

from .packages import PACKAGES, DataError, fetch
from .render import rendered


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ldm.train.sprites", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the sprites are kept")
    parser.add_argument("--again", action="store_true", help="render even if the store is there")
    options = parser.parse_args()
    if (options.folder / INDEX).exists() and not options.again:
        store = SpriteStore(options.folder)
        print(f"{options.folder}: {len(store.by_code)} things are there already")
        return
    try:
        archives = [fetch(package, options.folder / "packages") for package in PACKAGES]
    except DataError as error:
        sys.exit(f"make train-data: {error}")

    def all_rendered():
        for package, archive in zip(PACKAGES, archives, strict=True):
            print(f"rendering {package.name}", flush=True)
            yield from rendered(package, archive)

    count = write_store(options.folder, all_rendered())
    store = SpriteStore(options.folder)
    print(f"{options.folder}: {count} sprites of {len(store.by_code)} things")


if __name__ == "__main__":
    main()
