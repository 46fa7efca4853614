"""Measure the speed of a server: `python tests/bench [--short] [--only W1,LAT] [--json PATH]`.

The environment variable ONLY is the same as `--only`. Nothing is asserted about time: see the table it prints.
Linux only: it reads /proc.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from floor import commits_per_second
from items import ITEMS, Item
from measuring import Scale
from report import HEAD, Result, write_json
from serving import REPOSITORY, Servers


def main() -> None:
    arguments = _arguments()
    scale = Scale(arguments.short)
    results: list[Result] = []
    print(HEAD, flush=True)
    (REPOSITORY / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=REPOSITORY / "build") as name:
        for item in arguments.only:
            for result in _measure(ITEMS[item], Path(name), scale):
                print(result.row(), flush=True)
                results.append(result)
    write_json(arguments.json, results)
    print(f"written to {arguments.json}")


def _measure(item: Item, folder: Path, scale: Scale) -> list[Result]:
    seconds = 0.1 if scale.short else 0.5
    before = commits_per_second(folder, seconds)
    figures = item(Servers(folder), scale)
    floor = (before + commits_per_second(folder, seconds)) / 2
    return [Result(figure, floor) for figure in figures]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the speed of a server.")
    parser.add_argument("--short", action="store_true", help="little of everything, to see that it works")
    parser.add_argument("--only", type=_names, default=os.environ.get("ONLY") or ",".join(ITEMS), metavar="W1,LAT")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "bench.json")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.upper().split(",")
    unknown = [name for name in names if name not in ITEMS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not one of {', '.join(ITEMS)}")
    return names


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
