"""One drawn stream: what is sent batch by batch, what is true of it, and what an oracle would answer."""

import datetime

import numpy

import heal_faults
import worlds

BATCH_ROWS = 500
HISTORY = 20  # Batches before the stream begins: what the first champion learns from.
START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def time_text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(batch):
    return START + batch * DAY


class Batch:
    """A day: what was true (`rows`, `truth`, `right`), what was said (`sent`, `given`), when it was said."""

    def __init__(self, number, rows, truth, right):
        self.number, self.rows, self.truth, self.right = number, rows, truth, right
        self.sent = rows.columns()
        self.given = right.copy()
        self.world_of = number  # A repeated batch is true of the day it repeats.
        self.label_delay = 0  # Batches beyond the usual delay.
        self.file_delay = 0
        self.ids = [f"{number:04d}-{row:04d}" for row in range(len(rows))]
        begin = day_of(number) + datetime.timedelta(hours=4)
        step = datetime.timedelta(hours=18) / max(len(rows), 1)
        self.times = [time_text(begin + row * step) for row in range(len(rows))]


def known_at(batch, label_delay):
    """The day at whose start the labels of a batch are there."""
    return batch.number + 1 + label_delay + batch.label_delay


class Stream:
    """Drawn from (class, seed) alone; the label delay is part of the draw."""

    def __init__(self, name, seed, horizon=150, budget=3, batch_rows=BATCH_ROWS):
        self.name, self.seed, self.horizon, self.batch_rows = name, seed, horizon, batch_rows
        random = numpy.random.default_rng([heal_faults.CLASSES.index(name), seed])
        self.label_delay = int([0, 2, 10][seed % 3])
        self.climate = worlds.Climate(random)
        self.first = worlds.Concept.first(random)
        self.world = worlds.World(self.climate, self.first)
        self.faults = heal_faults.draw_faults(random, name, self.first, horizon, budget)
        self.benign = heal_faults.draw_benign(random, horizon)
        self.world.changes = [fault for fault in self.faults if isinstance(fault, heal_faults.Change)]
        for concept in self.world.concepts():
            concept.fit_reference(self.climate, random, HISTORY * batch_rows)
        self.random = random
        self.batches = {}
        self.oracle_errors = {}  # (batch, told late) → its error: the same for every policy.
        for number in range(-HISTORY, horizon):
            self.batches[number] = self._make(number)
        # Clean rows of all seasons, on which two versions are compared exactly.
        self.probe = self.climate.draw(random, 0, 3000)

    def wrong_at(self, batch):
        """Faults that are active at a batch; what changed the world for good counts only where it begins."""
        return [
            fault for fault in self.faults if fault.active(batch) and fault.length < heal_faults.FOREVER
        ] + [
            fault
            for fault in self.faults
            if fault.length >= heal_faults.FOREVER
            and fault.start <= batch <= fault.start + getattr(fault, "ramp", 0)
        ]

    def _make(self, number):
        shift, kind_share, count = None, None, self.batch_rows
        active = [fault for fault in self.faults + self.benign if fault.active(number)]
        for fault in active:
            if fault.kind == "harmless_shift":
                shift = fault.shift
            if fault.kind == "campaign":
                kind_share = fault.kind_share
            if fault.kind == "volume":
                count = self.batch_rows * fault.factor
        rows = self.climate.draw(self.random, number, count, shift, kind_share)
        truth = self.world.truth(rows, number)
        batch = Batch(number, rows, truth, (self.random.random(count) < truth).astype(int))
        for fault in active:
            batch = apply_fault(self, fault, batch)
        return batch

    def oracle_error(self, batch, told_late=0):
        """Mean expected error of the oracle; `told_late`: batches after which it hears of a change."""
        known = self.oracle_errors.get((batch.number, told_late))
        if known is None:
            told_at = max(batch.world_of - told_late, -HISTORY)
            # The season is no change that anybody has to be told: its level is taken from the day itself.
            answers = self.world.oracle(batch.rows, batch.world_of, told_at)
            known = float(worlds.expected_error(batch.truth, answers).mean())
            self.oracle_errors[batch.number, told_late] = known
        return known

    def bayes_error(self, batch):
        return float(numpy.minimum(batch.truth, 1 - batch.truth).mean())

    def probe_error(self, answers, batch):
        """The true error, in the world of a batch, of a version's answers on the probe."""
        return float(worlds.expected_error(self.world.truth(self.probe, batch), answers).mean())

    def to_json(self):
        return {
            "class": self.name,
            "seed": self.seed,
            "label_delay": self.label_delay,
            "faults": [fault.to_json() for fault in self.faults],
            "benign": [fault.to_json() for fault in self.benign],
        }


def some_of(stream, batch, share):
    return stream.random.random(len(batch.rows)) < share


def replace_cells(batch, column, mask, value):
    batch.sent[column] = [value if hit else old for hit, old in zip(mask, batch.sent[column], strict=True)]


def corrupt(stream, fault, batch):
    """What a broken source sends instead of what is true."""
    if fault.kind == "unit":
        values = batch.sent[fault.column]
        batch.sent[fault.column] = [round(value * fault.factor + fault.offset, 4) for value in values]
    elif fault.kind == "sign":
        batch.sent[fault.column] = [-value for value in batch.sent[fault.column]]
    elif fault.kind == "missing":
        replace_cells(batch, fault.column, some_of(stream, batch, fault.share), None)
    elif fault.kind == "default":
        replace_cells(batch, fault.column, some_of(stream, batch, fault.share), fault.value)
    elif fault.kind == "new_category":
        replace_cells(batch, "kind", some_of(stream, batch, fault.share), "bundle")
    elif fault.kind == "swap":
        sent = batch.sent
        sent[fault.column], sent[fault.other] = sent[fault.other], sent[fault.column]
    elif fault.kind == "number_as_text":
        batch.sent[fault.column] = [f"{value:.2f} u" for value in batch.sent[fault.column]]
    elif fault.kind == "encoding":
        change = {"upper": str.upper, "padded": lambda text: f" {text} ", "coded": lambda text: f"{text[0]}1"}
        batch.sent[fault.column] = [change[fault.how](text) for text in batch.sent[fault.column]]


def poison(stream, fault, batch):
    """Labels that are not what happened."""
    count = len(batch.rows)
    hit = numpy.ones(count, bool) if fault.site < 0 else batch.rows.site == fault.site
    if fault.kind == "flip":
        hit = hit & some_of(stream, batch, fault.share)
    if fault.kind == "biased":  # One side of a column is always told the same.
        hit = hit & (batch.rows.z[:, 0] > 0)
    told = 1 - batch.given if fault.kind in ("flip", "invert") else numpy.full(count, fault.value)
    batch.given = numpy.where(hit, told, batch.given)


def repeated(batch, before):
    """The rows of `before`, sent once more under new ids."""
    again = Batch(batch.number, before.rows, before.truth, before.right)
    again.sent, again.given = dict(before.sent), before.given.copy()
    again.world_of = before.world_of
    return again


def apply_fault(stream, fault, batch):
    kinds = heal_faults.KINDS_OF
    if fault.kind == "duplicate":
        return repeated(batch, stream.batches[batch.number - 1])
    if fault.kind == "late_batch":
        batch.file_delay = fault.start + fault.length - batch.number
    elif fault.kind == "late_labels":
        batch.label_delay = fault.by
    elif fault.kind in kinds["data"]:
        corrupt(stream, fault, batch)
    elif fault.kind in kinds["labels"]:
        poison(stream, fault, batch)
    return batch
