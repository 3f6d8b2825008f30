"""What can go wrong, drawn at random in kind, time, size and length.

Every fault says in which batches it is active. Nothing here knows the policy: the lengths of poisoned
labels lie on both sides of the poison budget, from one source or from all.
"""

import math

import numpy

from worlds import KINDS, NUMERIC

CLASSES = ["clean", "data", "world", "labels", "model", "machine", "mixed"]
KINDS_OF = {
    "clean": [],
    "data": [
        "unit",
        "missing",
        "default",
        "duplicate",
        "encoding",
        "new_category",
        "swap",
        "sign",
        "number_as_text",
        "late_batch",
    ],
    "world": ["sudden", "gradual", "recurring", "subpopulation", "prior", "useless"],
    "labels": ["flip", "invert", "constant", "biased"],
    "model": ["push"],
    "machine": ["kill_server", "kill_worker", "hang_worker", "starve_worker", "disk_full"],
}
KINDS_OF["mixed"] = [kind for name in ("data", "world", "labels", "model") for kind in KINDS_OF[name]]
BENIGN = ["harmless_shift", "campaign", "volume", "late_labels"]
UNITS = [
    (1.8, 32.0),
    (0.3048, 0.0),
    (0.4536, 0.0),
    (1000.0, 0.0),
    (0.001, 0.0),
    (2.54, 0.0),
    (1 / 1.609, 0.0),
]
FOREVER = 10**6


class Fault:
    """Active in batches [start, start + length). What it does is in its attributes."""

    def __init__(self, kind, start, length, **attributes):
        self.kind, self.start, self.length = kind, start, length
        self.attributes = attributes

    def __getattr__(self, name):
        try:
            return self.__dict__["attributes"][name]
        except KeyError:
            raise AttributeError(name) from None

    def active(self, batch):
        return self.start <= batch < self.start + self.length

    def to_json(self):
        plain = {
            key: value for key, value in self.attributes.items() if isinstance(value, (int, float, str, list))
        }
        return {"kind": self.kind, "start": self.start, "length": min(self.length, 9999), **plain}


class Change(Fault):
    """A change of the world: how far it has come, whom it concerns, and what is true then."""

    def __init__(self, kind, start, length, concept=None, level=0.0, ramp=0, site=None, **attributes):
        super().__init__(kind, start, length, level_shift=float(level), ramp=ramp, **attributes)
        self.concept, self.level, self.site = concept, level, site

    def weight(self, batch):
        if not self.active(batch):
            return 0.0
        return min(1.0, (batch - self.start + 1) / self.ramp) if self.ramp else 1.0

    def members(self, rows):
        return 1.0 if self.site is None else (rows.site == self.site).astype(float)


def draw_data(random, kind, start):
    length = int(random.integers(1, 13))
    column = NUMERIC[int(random.integers(0, 6))]
    if kind == "unit":
        factor, offset = UNITS[int(random.integers(0, len(UNITS)))]
        return Fault(kind, start, length, column=column, factor=factor, offset=offset)
    if kind == "missing":
        return Fault(kind, start, length, column=column, share=float(random.uniform(0.2, 1)))
    if kind == "default":
        value = float(random.choice([0.0, -999.0, -1.0, 9999.0]))
        return Fault(kind, start, length, column=column, share=float(random.uniform(0.1, 1)), value=value)
    if kind == "encoding":
        how = str(random.choice(["upper", "padded", "coded"]))
        return Fault(kind, start, length, column=str(random.choice(["site", "kind"])), how=how)
    if kind == "new_category":
        return Fault(kind, start, length, column="kind", share=float(random.uniform(0.1, 0.6)))
    if kind == "swap":
        other = NUMERIC[(NUMERIC.index(column) + 1 + int(random.integers(0, 4))) % 6]
        return Fault(kind, start, length, column=column, other=other)
    if kind == "duplicate":
        return Fault(kind, start, int(random.integers(1, 4)))
    if kind == "late_batch":
        return Fault(kind, start, int(random.integers(1, 4)))
    return Fault(kind, start, length, column=column)  # sign, number_as_text


def draw_world(random, kind, start, concept, horizon):
    angle = float(random.uniform(0.25, 1.2))
    if kind == "sudden":
        return Change(kind, start, FOREVER, concept.turned(random, angle), angle=angle)
    if kind == "gradual":
        ramp = int(random.integers(5, 30))
        return Change(kind, start, FOREVER, concept.turned(random, angle), ramp=ramp, angle=angle)
    if kind == "recurring":
        return Change(kind, start, int(random.integers(12, 41)), concept.turned(random, angle), angle=angle)
    if kind == "subpopulation":
        site = int(random.integers(0, 4))
        return Change(kind, start, FOREVER, concept.turned(random, 1.4), site=site, angle=1.4, of_site=site)
    if kind == "prior":
        level = float(random.choice([-1, 1]) * random.uniform(0.7, 1.8))
        length = int(random.choice([FOREVER, random.integers(15, 60)]))
        return Change(kind, start, length, level=level)
    return Change("useless", start, FOREVER, concept.without_strongest())


def draw_labels(random, kind, start, budget):
    within = random.random() < 0.5
    length = int(random.integers(1, budget + 1) if within else random.integers(budget + 1, 3 * budget + 1))
    site = int(random.integers(0, 4)) if random.random() < 0.5 else -1  # -1: all sources
    share = float(random.uniform(0.3, 0.9)) if kind == "flip" else 1.0
    value = int(random.integers(0, 2))
    return Fault(kind, start, length, site=site, share=share, value=value)


def draw_fault(random, kind, start, concept, horizon, budget):
    if kind in KINDS_OF["data"]:
        return draw_data(random, kind, start)
    if kind in KINDS_OF["world"]:
        return draw_world(random, kind, start, concept, horizon)
    if kind in KINDS_OF["labels"]:
        return draw_labels(random, kind, start, budget)
    if kind == "push":
        return Fault(kind, start, 1, version=int(random.integers(1, 4)))
    return Fault(kind, start, int(random.integers(1, 4)))


def draw_benign(random, horizon):
    """Up to two things that look wrong and are not."""
    faults = []
    for _ in range(int(random.integers(0, 3))):
        kind = str(random.choice(BENIGN))
        start = int(random.integers(min(10, horizon // 4), max(horizon - 10, horizon // 2)))
        length = int(random.integers(3, 15))
        if kind == "harmless_shift":
            shift = numpy.zeros(9)
            shift[6:] = random.uniform(-1.5, 1.5, 3)  # Columns that tell nothing.
            faults.append(Fault(kind, start, int(random.choice([FOREVER, length])), shift=shift))
        elif kind == "campaign":
            share = random.dirichlet([1] * len(KINDS))
            faults.append(Fault(kind, start, length, kind_share=share))
        elif kind == "volume":
            faults.append(Fault(kind, start, min(length, 4), factor=int(random.integers(2, 6))))
        else:
            faults.append(Fault(kind, start, min(length, 4), by=int(random.integers(1, 4))))
    return faults


def draw_faults(random, name, concept, horizon, budget):
    """The faults of one run of class `name`, by start; empty for a clean run."""
    kinds = KINDS_OF[name]
    if not kinds:
        return []
    count = int(random.integers(1, 7)) if horizon >= 100 else max(1, math.ceil(horizon / 40))
    starts = sorted(int(start) for start in random.integers(max(5, horizon // 10), horizon - 5, count))
    faults = []
    for start in starts:
        kind = str(random.choice(kinds))
        if faults and kind in KINDS_OF["world"]:
            changed = [fault.concept for fault in faults if isinstance(fault, Change) and fault.concept]
            concept = changed[-1] if changed else concept
        faults.append(draw_fault(random, kind, start, concept, horizon, budget))
    return faults
