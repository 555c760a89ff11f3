"""One figure of `make bench`: what was measured, what stands beside it, and what we promised."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`baseline` was measured in the same run and has the same unit; `floor` is what may land, `goal` what we want."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    baseline_name: str = ""
    floor: float | None = None
    goal: float | None = None
    higher_is_better: bool = True

    def reaches(self, mark: float | None) -> bool:
        """Whether the value is at least as good as `mark`; True when there is none."""
        if mark is None:
            return True
        return self.value >= mark if self.higher_is_better else self.value <= mark

    @property
    def verdict(self) -> str:
        """Goal, floor or below floor."""
        if self.floor is None and self.goal is None:
            return "-"
        if self.goal is not None and self.reaches(self.goal):
            return "goal"
        return "floor" if self.reaches(self.floor) else "BELOW FLOOR"

    def row(self) -> str:
        """A row of the table in docs/benchmarks.md (Markdown)."""
        beside = "" if self.baseline is None else f"{_number(self.baseline)} {self.unit} ({self.baseline_name})"
        cells = (
            self.name,
            f"{_number(self.value)} {self.unit}",
            beside,
            _number(self.floor),
            _number(self.goal),
            self.verdict,
        )
        return "| " + " | ".join(cells) + " |"


HEADER = "| what | measured | beside it | floor | goal | reached |\n|---|---|---|---|---|---|"


def table(figures: list[Figure]) -> str:
    """All figures as a Markdown table."""
    return "\n".join([HEADER, *(figure.row() for figure in figures)])


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
