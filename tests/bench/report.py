"""Figures: what an item measured, as a table and as `bench.json`."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from floor import FLOOR_OF_TARGETS

COLUMNS = "{:30} {:>10} {:10} {:>10} {:>10} {:>14} {:>14}"


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str
    target: float | None = None
    """None: it explains another figure."""
    samples: tuple[float, ...] = ()


def median(name: str, samples: Sequence[float], unit: str, target: float | None = None) -> Figure:
    return Figure(name, statistics.median(samples), unit, target, tuple(samples))


def percentile(samples: Sequence[float], percent: int) -> float:
    return sorted(samples)[min(len(samples) - 1, len(samples) * percent // 100)]


@dataclass(frozen=True)
class Result:
    """A figure and the floor that was measured right before and after it, in commits a second."""

    figure: Figure
    floor: float

    def row(self) -> str:
        figure = self.figure
        target = "" if figure.target is None else f"{figure.target:,g}"
        return COLUMNS.format(
            figure.name,
            f"{figure.value:,.4g}" if figure.value < 1000 else f"{figure.value:,.0f}",
            figure.unit,
            target,
            f"{self.floor:,.0f}",
            _to_floor(figure.value, figure.unit, self.floor),
            "" if figure.target is None else _to_floor(figure.target, figure.unit, FLOOR_OF_TARGETS),
        )


def _to_floor(value: float, unit: str, floor: float) -> str:
    """The figure without the speed of the disk: of a rate its share of the floor, of a time how many commits it is."""
    match unit.partition("/")[::2]:
        case _, "s":
            return f"{value / floor:.2f}"
        case "ms", "":
            return f"{value / 1_000 * floor:.1f} commits"
        case _:
            return ""


HEAD = COLUMNS.format("", "value", "unit", "target", "floor", "to floor", "target to its")


def write_json(path: Path, results: Sequence[Result]) -> None:
    path.write_text(
        json.dumps([{**asdict(result.figure), "floor": result.floor} for result in results], indent=1) + "\n"
    )
