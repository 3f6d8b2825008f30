"""What runs come to: cost and its parts, times, goals. Reads result files only.

1 = one whole batch answered wrong. Excess = expected error - error of the oracle, summed over batches.
Cost = excess + 0.02 per retrain + 0.02 per false heal + 0.2 per bad promotion.
"""

import collections
import datetime
import math

import heal_faults

RETRAIN, FALSE_HEAL, BAD_PROMOTION = 0.02, 0.02, 0.2
BAD_RISE, GAIN = 0.01, 0.002  # Of the true error: what makes a promotion bad, and what a heal should bring.
QUIET = 25  # Batches (and the label delay) without anything wrong, after which every heal is a false one.
SETTLED = (1.1, 3)  # Healed: an error of at most so much times the oracle's, for so many batches.
NO_HEALS = ("none", "hold", "quarantine", "repair", "ask")  # Treatments that change no version and no level.
WEIGHTS = {"clean": 0.25, "data": 0.15, "world": 0.15, "labels": 0.15, "model": 0.15, "mixed": 0.15}
NAIVE = ["never", "every-batch-6", "every-batch-12", "every-5", "psi", "loss-3sigma", "evidently"]
REACTIVE = ["psi", "loss-3sigma", "evidently"]
START = datetime.date(2024, 1, 1)


def batch_of(time):
    """The batch that begins on the day of a time of the program's."""
    return (datetime.date.fromisoformat(time[:10]) - START).days


def treatments(result):
    """[(batch, name)] of what was begun, oldest first; a training begun from outside is one, too."""
    found = [(batch, "retrain") for batch in result["external_retrains"]]
    for incident in result["incidents"]:
        for event in incident["events"]:
            if event["kind"] == "treatment":
                found.append((batch_of(event["time"]), event["detail"]["treatment"]))
    return sorted(found)


def promotions(result):
    """Changes of the version that answers which the policy made; a person's push is none of its doing."""
    pushed = {(f["start"], f["version"]) for f in result["faults"] if f["kind"] == "push"}
    return [
        switch
        for switch in result["switches"]
        if not any(
            start <= switch["batch"] <= start + 1 and version == switch["to"] for start, version in pushed
        )
    ]


def quiet_batches(result):
    """Batches before which nothing has been wrong for long."""
    wrong = set()
    for fault in result["faults"]:
        end = fault["start"] + (fault["length"] if fault["length"] < 9999 else fault.get("ramp", 0) + 1)
        wrong.update(range(fault["start"], end + QUIET + result["label_delay"]))
    return [day["batch"] for day in result["days"] if day["batch"] not in wrong]


def detections(result, begun):
    """Batches from each fault that should be seen to the first thing done or said about it."""
    said = [batch for batch, _ in begun]
    for incident in result["incidents"]:
        said.append(batch_of(incident["opened_at"]))
    times = []
    for fault in result["faults"]:
        if fault["kind"] in heal_faults.KINDS_OF["labels"] + heal_faults.KINDS_OF["machine"]:
            continue
        after = [batch - fault["start"] for batch in said if batch >= fault["start"]]
        times.append(min(after) if after else None)
    return times


def healing_times(result):
    """Batches from each fault that did harm until the answers are near the oracle's again."""
    factor, run = SETTLED
    fine = [day["error"] <= factor * day["oracle"] for day in result["days"]]
    times = []
    for fault in result["faults"]:
        start = fault["start"]
        if all(fine[start : start + 5]):
            continue
        harmed = next(batch for batch in range(start, len(fine)) if not fine[batch])
        healed = [batch for batch in range(harmed, len(fine) - run + 1) if all(fine[batch : batch + run])]
        times.append(healed[0] - start if healed else None)
    return times


def score(result):
    """One run in figures."""
    days = result["days"]
    begun = treatments(result)
    changed = promotions(result)
    retrains = sum(name == "retrain" for _, name in begun)
    heals = {batch for batch, name in begun if name not in NO_HEALS} | {s["batch"] for s in changed}
    quiet = set(quiet_batches(result))
    gained = {s["batch"] for s in changed if s["error_from"] - s["error_to"] >= GAIN}
    false = sorted(heals & quiet)
    # A training and the promotion that comes of it on the same day are one heal, and so are they overnight.
    useless = [batch for batch in false if not ({batch, batch + 1} & gained)]
    bad = sum(s["error_to"] - s["error_from"] > BAD_RISE for s in changed)
    excess = sum(day["error"] - day["oracle"] for day in days)
    cost = excess + RETRAIN * retrains + FALSE_HEAL * len(false) + BAD_PROMOTION * bad
    return {
        "excess": excess,
        "cost": cost,
        "told_L1": sum(day["told_L1"] - day["oracle"] for day in days),
        "told_L1K": sum(day["told_L1K"] - day["oracle"] for day in days),
        "retrains": retrains,
        "promotions": len(changed),
        "bad": bad,
        "false_heals": len(false),
        "useless_heals": len(useless),
        "quiet": len(quiet),
        "asked": result["asked"],
        "answered": result["answered"],
        "detected": detections(result, begun),
        "healed": healing_times(result),
    }


def within_budget(result, budget):
    """Whether all that is wrong is poisoned labels, never for longer than the budget."""
    poisoned = set()
    for fault in result["faults"]:
        if fault["kind"] not in heal_faults.KINDS_OF["labels"]:
            return False
        poisoned.update(range(fault["start"], fault["start"] + fault["length"]))
    longest = run = 0
    for batch in range(min(poisoned, default=0), max(poisoned, default=-1) + 1):
        run = run + 1 if batch in poisoned else 0
        longest = max(longest, run)
    return 0 < longest <= budget


def mean(values):
    return sum(values) / len(values) if values else math.nan


def error_of_mean(values):
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1) / len(values))


class Summary:
    """Scores by policy and class, on the seeds that every policy of the comparison has run."""

    def __init__(self, results, budget=3):
        self.budget = budget
        self.by = collections.defaultdict(dict)  # (policy, class) → {seed: (result, score)}
        for result in results:
            self.by[result["policy"], result["class"]][result["seed"]] = (result, score(result))
        self.policies = list(dict.fromkeys(policy for policy, _ in self.by))
        self.classes = [name for name in heal_faults.CLASSES if any(c == name for _, c in self.by)]

    def seeds(self, name):
        """Seeds of a class that every policy has run."""
        sets = [set(self.by[policy, name]) for policy in self.policies]
        return sorted(set.intersection(*sets)) if sets else []

    def values(self, policy, name, what):
        return [self.by[policy, name][seed][1][what] for seed in self.seeds(name)]

    def mixture(self, policy, what):
        """(mean, standard error) over the classes by their weights; machine faults stand apart."""
        present = {name: weight for name, weight in WEIGHTS.items() if self.seeds(name)}
        total = sum(present.values())
        parts = [(weight / total, self.values(policy, name, what)) for name, weight in present.items()]
        if not parts:
            return math.nan, math.nan
        error = math.sqrt(sum((weight * error_of_mean(values)) ** 2 for weight, values in parts))
        return sum(weight * mean(values) for weight, values in parts), error

    def pooled(self, policy, what):
        return sum(sum(self.values(policy, name, what)) for name in self.classes)

    def heals_per_1000(self, policy):
        quiet = self.pooled(policy, "quiet")
        return [
            1000 * self.pooled(policy, what) / quiet if quiet else math.nan
            for what in ("false_heals", "useless_heals")
        ]

    def poison_within_budget(self, policy):
        """(runs, bad promotions a run) of poison that the owner's budget covers, and of all other poison."""
        covered, beyond = [], []
        for seed in self.seeds("labels") if "labels" in self.classes else []:
            result, figures = self.by[policy, "labels"][seed]
            (covered if within_budget(result, self.budget) else beyond).append(figures["bad"])
        return covered, beyond

    def times(self, policy, what):
        """(median, share that ever was) over all faults of all classes but the machine's."""
        times = []
        for name in self.classes:
            if name != "machine":
                times += [time for run in self.values(policy, name, what) for time in run]
        known = sorted(time for time in times if time is not None)
        return (known[len(known) // 2] if known else math.nan), (
            len(known) / len(times) if times else math.nan
        )
