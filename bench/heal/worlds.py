"""Rows with a known truth: where features come from, and how likely each row is to be positive.

A concept knows its exact probability for any row, so the expected error of any answer is exact. Each concept
also has a reference model: the learner of the project fitted to as many clean rows of that concept as the
first champion had. The oracle of the bench answers with it; what it lacks to the exact truth nobody can learn
from so few rows.
"""

import numpy

NUMERIC = [f"x{i}" for i in range(1, 10)]
SITES = ["north", "east", "south", "west"]
KINDS = ["basic", "plus", "prime", "bulk", "trial"]
COLUMNS = [*NUMERIC, "site", "kind"]
# What each column looks like in the files: location and scale of a standard normal; 6 and 7 are lognormal.
LOCATION = numpy.array([15.0, 70.0, 1013.0, 0.0, 3.2, 1.0, 4.0, 250.0, 40.0])
SCALE = numpy.array([8.0, 12.0, 9.0, 1.0, 0.7, 0.6, 0.5, 60.0, 15.0])
LOGNORMAL = (5, 6)
LEARNER = {"rounds": 60, "leaves": 8, "learning_rate": 0.1, "min_data_in_leaf": 40}


def sigmoid(value):
    return 1 / (1 + numpy.exp(-value))


def logit(share):
    share = numpy.clip(share, 1e-9, 1 - 1e-9)
    return numpy.log(share / (1 - share))


class Rows:
    """Standardised numbers (`z`) and category indices of some rows: what is true of them."""

    def __init__(self, z, site, kind):
        self.z, self.site, self.kind = z, site, kind

    def __len__(self):
        return len(self.site)

    def learner_matrix(self):
        return numpy.column_stack([self.z, self.site, self.kind])

    def columns(self):
        """{column: values} as they stand in a file."""
        values = {}
        for i, name in enumerate(NUMERIC):
            raw = numpy.exp(LOCATION[i] + SCALE[i] * self.z[:, i]) if i in LOGNORMAL else None
            values[name] = LOCATION[i] + SCALE[i] * self.z[:, i] if raw is None else raw
            values[name] = numpy.round(values[name], 4).tolist()
        values["site"] = [SITES[i] for i in self.site]
        values["kind"] = [KINDS[i] for i in self.kind]
        return values


class Climate:
    """Where features come from: correlated, with seasons that never stop."""

    def __init__(self, random):
        loadings = random.normal(0, 0.5, (9, 3))
        noise = numpy.sqrt(numpy.maximum(1 - (loadings**2).sum(axis=1), 0.2))
        self.mix = numpy.hstack([loadings, numpy.diag(noise)])
        self.mix /= numpy.sqrt((self.mix**2).sum(axis=1, keepdims=True))
        self.amplitude = random.uniform(0, 0.5, 9) * (random.random(9) < 0.5)
        self.period = random.choice([7, 30, 60], 9)
        self.phase = random.uniform(0, 2 * numpy.pi, 9)
        self.site_share = random.dirichlet([6] * 4)
        self.kind_share = random.dirichlet([4] * 5)
        self.level_amplitude, self.level_phase = random.uniform(0, 0.25), random.uniform(0, 2 * numpy.pi)

    def level(self, batch):
        """The season of the positives: an intercept that the oracle is told."""
        return self.level_amplitude * numpy.sin(2 * numpy.pi * batch / 30 + self.level_phase)

    def draw(self, random, batch, count, shift=None, kind_share=None):
        """Rows of one batch. `shift`: added to the standardised numbers (a harmless change of the inputs)."""
        season = self.amplitude * numpy.sin(2 * numpy.pi * batch / self.period + self.phase)
        z = random.normal(size=(count, self.mix.shape[1])) @ self.mix.T + season
        if shift is not None:
            z = z + shift
        swing = self.site_share * (1 + 0.3 * numpy.sin(2 * numpy.pi * batch / 30 + numpy.arange(4)))
        site = random.choice(4, count, p=swing / swing.sum())
        kind = random.choice(5, count, p=self.kind_share if kind_share is None else kind_share)
        return Rows(z, site, kind)


class Concept:
    """P(positive | row): a line, a bend, a product of two columns and a value for each category."""

    def __init__(self, weights, bend, product, site, kind, level):
        self.weights, self.bend, self.product = weights, bend, product
        self.site, self.kind, self.intercept = site, kind, level
        self.model = None

    @classmethod
    def first(cls, random):
        weights = random.normal(size=9) * (numpy.arange(9) < 6)
        weights *= 1.9 / numpy.sqrt((weights**2).sum())
        return cls(
            weights,
            random.normal(0, 0.8),
            random.normal(0, 0.5),
            random.normal(0, 0.6, 4),
            random.normal(0, 0.6, 5),
            random.normal(0, 0.5),
        )

    def turned(self, random, angle):
        """Another concept: the same sharpness, its direction turned by `angle`."""
        other = random.normal(size=9) * (random.random(9) < 0.8)
        other -= self.weights * (other @ self.weights) / (self.weights @ self.weights)
        other *= numpy.sqrt((self.weights**2).sum() / (other**2).sum())
        weights = numpy.cos(angle) * self.weights + numpy.sin(angle) * other
        product = self.product * numpy.cos(2 * angle)
        return Concept(weights, self.bend, product, self.site, self.kind, self.intercept)

    def without_strongest(self):
        """The most telling column tells nothing any more."""
        weights = self.weights.copy()
        weights[numpy.argmax(numpy.abs(weights))] = 0
        return Concept(weights, self.bend, self.product, self.site, self.kind, self.intercept)

    def truth(self, rows):
        z = rows.z
        value = z @ self.weights + self.bend * numpy.abs(z[:, 0]) + self.product * z[:, 1] * z[:, 2]
        return sigmoid(
            1.5 * (value + self.site[rows.site] + self.kind[rows.kind] + self.intercept - self.bend)
        )

    def fit_reference(self, climate, random, rows_count):
        """The project's learner on clean rows of all seasons."""
        import lightgbm

        parts = [climate.draw(random, batch, rows_count // 60) for batch in range(60)]
        x = numpy.vstack([part.learner_matrix() for part in parts])
        truth = numpy.concatenate([self.truth(part) for part in parts])
        y = random.random(len(truth)) < truth
        parameters = {
            "objective": "binary",
            "num_leaves": LEARNER["leaves"],
            "learning_rate": LEARNER["learning_rate"],
            "min_data_in_leaf": LEARNER["min_data_in_leaf"],
            "num_threads": 1,
            "deterministic": True,
            "seed": 1,
            "verbose": -1,
        }
        data = lightgbm.Dataset(x, y.astype(float), categorical_feature=[9, 10])
        self.model = lightgbm.train(parameters, data, LEARNER["rounds"])

    def reference(self, rows):
        return self.model.predict(rows.learner_matrix(), num_threads=1)


class World:
    """What is true at a batch: a first concept, and changes laid over it one after another."""

    def __init__(self, climate, concept):
        self.climate, self.concept, self.changes = climate, concept, []

    def concepts(self):
        return [self.concept] + [change.concept for change in self.changes if change.concept is not None]

    def _composed(self, rows, batch, share_of, level_at):
        share = share_of(self.concept, rows)
        level = self.climate.level(level_at)
        for change in self.changes:
            weight = change.weight(batch) * change.members(rows)
            if change.concept is not None:
                share = share * (1 - weight) + weight * share_of(change.concept, rows)
            level = level + change.level * weight
        return sigmoid(logit(share) + level)

    def truth(self, rows, batch):
        return self._composed(rows, batch, lambda concept, of: concept.truth(of), batch)

    def oracle(self, rows, batch, told_at=None):
        """Answers of who knows the concept of batch `told_at` (default: of this very batch)."""
        known = batch if told_at is None else told_at
        return self._composed(rows, known, lambda concept, of: concept.reference(of), batch)


def expected_error(truth, answers):
    """Of each row: how likely the answer, taken as yes from one half on, is wrong."""
    return numpy.where(numpy.asarray(answers) >= 0.5, 1 - truth, truth)
