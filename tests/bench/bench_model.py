# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs, figures, checks and rows: what a table of benchmarks is made of."""

import dataclasses
import statistics

PASS, MISS, MISSING = 'PASS', 'MISS', 'MISSING'


@dataclasses.dataclass(frozen=True)
class Job:
    """One program with its arguments; it prints figures. Of `times` runs in a round, the median."""

    program: str
    arguments: tuple
    times: int = 1
    timeout: float = 120


@dataclasses.dataclass(frozen=True)
class Figure:
    """Something computed from the named figures of one round."""

    names: tuple
    compute: object
    unit: str = 'x'

    def of(self, figures):
        """The value in one round, or None where a figure is missing."""
        values = [figures.get(name) for name in self.names]
        if any(value is None for value in values):
            return None
        return self.compute(*values)


def value(name, unit):
    return Figure((name,), lambda a: a, unit)


def ratio(name, to):
    return Figure((name, to), lambda a, b: a / b if b else float('inf'))


def ratio_to_best(name, others):
    """Against the largest of others."""
    return Figure((name, *others), lambda a, *rest: a / max(rest))


def flatness(names):
    """How much the largest is above the smallest."""
    return Figure(tuple(names), lambda *all_: max(all_) / min(all_))


def largest(names, unit):
    return Figure(tuple(names), lambda *all_: max(all_), unit)


@dataclasses.dataclass(frozen=True)
class Check:
    """A figure with its goal; `against` says what a ratio is a ratio to."""

    label: str
    figure: Figure
    comparison: str
    limit: float
    against: str = ''

    def verdict(self, median):
        if median is None:
            return MISSING
        good = median <= self.limit if self.comparison == '<=' else median >= self.limit
        return PASS if good else MISS

    def score(self, median):
        """1 is the goal, less is better, for every kind of goal."""
        if self.comparison == '<=':
            return median / self.limit if self.limit else median + 1 if median else 0
        return self.limit / median if median else float('inf')


@dataclasses.dataclass(frozen=True)
class Note:
    """A figure that is shown and has no goal."""

    label: str
    figure: Figure


@dataclasses.dataclass(frozen=True)
class Row:
    id: str
    title: str
    jobs: tuple
    checks: tuple = ()
    notes: tuple = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A check or a note over all rounds."""

    item: object
    rounds: tuple

    @property
    def median(self):
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def verdict(self):
        return self.item.verdict(self.median) if isinstance(self.item, Check) else ''


def judge(item, rounds):
    """Ratios inside one round first; their median comes after."""
    values = (item.figure.of(figures) for figures in rounds)
    return Outcome(item, tuple(v for v in values if v is not None))


def judge_row(outcomes):
    verdicts = [outcome.verdict for outcome in outcomes]
    for verdict in (MISS, MISSING, PASS):
        if verdict in verdicts:
            return verdict
    return ''
