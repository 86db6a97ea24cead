# SPDX-License-Identifier: Apache-2.0
# One line of the result table, and the table.
import dataclasses
import statistics

OURS = "holdfast"


@dataclasses.dataclass
class Row:
    """Samples of one measure by filesystem; the table shows their medians."""

    measure: str
    unit: str
    more_is_better: bool
    expected: str = ""
    samples: dict = dataclasses.field(default_factory=dict)

    def add(self, filesystem, value):
        self.samples.setdefault(filesystem, []).append(value)

    def median(self, filesystem):
        samples = self.samples.get(filesystem)
        return statistics.median(samples) if samples else None

    def speed_ratio(self, peer):
        """How many times as fast as the peer Holdfast is, whichever way the unit counts: the median
        over the rounds, since what disturbs one round disturbs both of them."""
        rounds = list(zip(self.samples.get(OURS, ()), self.samples.get(peer, ())))
        if peer == OURS or not rounds or not all(ours and theirs for ours, theirs in rounds):
            return None
        return statistics.median(ours / theirs if self.more_is_better else theirs / ours
                                 for ours, theirs in rounds)

    def spread(self):
        """How far apart Holdfast's rounds are, in percent of their median: how noisy it was."""
        samples = self.samples.get(OURS, ())
        if len(samples) < 2:
            return "-"
        return f"{(max(samples) - min(samples)) / statistics.median(samples) * 100:.0f} %"

    def as_dict(self):
        return {"measure": self.measure, "unit": self.unit, "more_is_better": self.more_is_better,
                "expected": self.expected, "samples": self.samples,
                "medians": {name: self.median(name) for name in self.samples},
                "speed_ratios": {name: self.speed_ratio(name) for name in self.samples}}

    def cell(self, filesystem):
        median, ratio = self.median(filesystem), self.speed_ratio(filesystem)
        if median is None:
            return "-"
        shown = f"{median:.0f}" if median >= 100 else f"{median:.3g}"
        return shown if ratio is None else f"{shown} ({ratio:.2f}x)"


def markdown(rows):
    """A column for each filesystem that was measured, and in it how Holdfast compares with it."""
    names = list(dict.fromkeys(name for row in rows for name in row.samples))
    lines = [["measure", "unit", *names, "spread", "expected"],
             ["---"] * 2 + ["---:"] * (len(names) + 1) + ["---"]]
    lines += [[row.measure, row.unit, *map(row.cell, names), row.spread(), row.expected]
              for row in rows]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    return (f"{table}\n\nMedians. (Nx): Holdfast is N times as fast as this one, "
            "median of the rounds. Spread: of Holdfast's rounds.")
