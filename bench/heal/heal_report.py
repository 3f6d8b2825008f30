"""The tables of the healing bench and its goals, as text and in the benches' common form."""

import math

import heal_score

RIVAL = "contract-every-batch"


class Goal:
    """One line that holds or falls short. `ratio` in the sense of the goal: ours / peer unless said."""

    def __init__(self, work, unit, ours, peer, peer_value, goal):
        self.work, self.unit, self.ours, self.peer = work, unit, ours, peer
        self.peer_value, self.goal = peer_value, goal

    def ratio(self):
        return self.ours / self.peer_value if self.peer_value else math.nan

    def measured(self):
        """What the goal is about: a share of the peer's value, or our value itself."""
        return self.ours if self.peer == "-" else self.ratio()

    def holds(self):
        return self.measured() <= self.goal

    def to_json(self):
        return {
            "work": self.work,
            "unit": self.unit,
            "ours": self.ours,
            "peer": self.peer,
            "peer_value": self.peer_value,
            "ratio": None if math.isnan(self.ratio()) else self.ratio(),
            "goal": self.goal,
            "holds": self.holds(),
        }

    def to_text(self):
        verdict = "holds" if self.holds() else "falls short"
        beside = "" if self.peer == "-" else f", {self.peer} {self.peer_value:.3f}: {self.ratio():.0%}"
        goal = f"{self.goal:g}" if self.peer == "-" else f"{self.goal:.0%}"
        return f"{self.work}, {self.unit}: ours {self.ours:.3f}{beside}  goal ≤ {goal}: {verdict}"


def best_of(summary, policies, figure):
    """(policy, value) of the lowest of them."""
    known = [(figure(policy), policy) for policy in policies if policy in summary.policies]
    value, policy = min(known)
    return policy, value


def goals(summary):
    """The goals that can be judged from the policies and classes that were run."""
    if "ours" not in summary.policies:
        return []
    naive = [policy for policy in heal_score.NAIVE if policy in summary.policies]
    return goals_of_cost(summary, naive) + goals_of_excess(summary, naive) + goals_of_acts(summary)


def goals_of_cost(summary, naive):
    found = []
    if not naive:
        return found
    cost = {policy: summary.mixture(policy, "cost")[0] for policy in summary.policies}
    policy, value = best_of(summary, naive, cost.get)
    found.append(Goal("mixture", "total cost", cost["ours"], policy, value, 0.45))
    for name in summary.classes:
        if name == "machine":
            continue
        of_class = {p: heal_score.mean(summary.values(p, name, "cost")) for p in summary.policies}
        policy, value = best_of(summary, naive, of_class.get)
        found.append(Goal(name, "total cost", of_class["ours"], policy, value, 1.0))
    return found


def goals_of_excess(summary, naive):
    found = []
    if RIVAL in summary.policies:
        ours, theirs = summary.mixture("ours", "excess")[0], summary.mixture(RIVAL, "excess")[0]
        found.append(Goal("mixture", "excess", ours, "contract + every batch", theirs, 0.95))
    for name in ("data", "model"):
        if name in summary.classes and naive:
            of_class = {p: heal_score.mean(summary.values(p, name, "excess")) for p in summary.policies}
            policy, value = best_of(summary, naive, of_class.get)
            found.append(Goal(name, "excess", of_class["ours"], policy, value, 0.4))
    if "world" in summary.classes:
        ours, floor = (heal_score.mean(summary.values("ours", "world", w)) for w in ("excess", "told_L1K"))
        found.append(Goal("world", "excess", ours, "oracle told at L+1+K", floor, 1.1))
    return found


def goals_of_acts(summary):
    found = []
    if "every-batch-12" in summary.policies:
        ours, theirs = (summary.mixture(p, "retrains")[0] for p in ("ours", "every-batch-12"))
        found.append(Goal("mixture", "retrains a run", ours, "every batch", theirs, 0.03))
    covered, beyond = summary.poison_within_budget("ours")
    if covered:
        found.append(
            Goal(
                f"poison within the budget ({len(covered)} runs)",
                "bad promotions a run",
                heal_score.mean(covered),
                "-",
                0,
                0.1,
            )
        )
    reactive = [policy for policy in heal_score.REACTIVE if policy in summary.policies]
    if beyond and reactive:
        rates = {p: heal_score.mean(summary.poison_within_budget(p)[1]) for p in reactive}
        policy, value = best_of(summary, reactive, rates.get)
        found.append(
            Goal(
                "poison beyond the budget",
                "bad promotions a run",
                heal_score.mean(beyond),
                "-" if value == 0 else policy,
                value,
                value if value == 0 else 1.0,
            )
        )
    if summary.pooled("ours", "quiet"):
        rate = summary.heals_per_1000("ours")[0]
        found.append(Goal("clean batches", "heals per 1,000", rate, "-", 0, 1.0))
    if "machine" in summary.classes and summary.seeds("machine"):
        asked, answered = (sum(summary.values("ours", "machine", what)) for what in ("asked", "answered"))
        found.append(Goal("machine faults", "requests not answered", asked - answered, "-", 0, 0))
    return found


def plus_minus(values):
    error = heal_score.error_of_mean(values)
    return f"{heal_score.mean(values):.2f}" + ("" if math.isnan(error) else f"±{error:.2f}")


def table(summary):
    """Lines of a Markdown table: excess by class, then what it costs."""
    names = [name for name in summary.classes if summary.seeds(name)]
    head = ["policy", "mixture", *names, "cost", "retrains", "bad", "false heals /1000", "detect", "heal"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for policy in summary.policies:
        excess, error = summary.mixture(policy, "excess")
        cost, cost_error = summary.mixture(policy, "cost")
        strict, useless = summary.heals_per_1000(policy)
        seen, seen_share = summary.times(policy, "detected")
        healed, healed_share = summary.times(policy, "healed")
        cells = [policy, f"{excess:.2f}±{error:.2f}"]
        cells += [plus_minus(summary.values(policy, name, "excess")) for name in names]
        cells += [f"{cost:.2f}±{cost_error:.2f}", f"{summary.mixture(policy, 'retrains')[0]:.1f}"]
        cells += [f"{summary.mixture(policy, 'bad')[0]:.2f}", f"{strict:.1f} ({useless:.1f})"]
        cells += [f"{seen} ({seen_share:.0%})", f"{healed} ({healed_share:.0%})"]
        lines.append("| " + " | ".join(cells) + " |")
    for label, what in (("*oracle told at L+1*", "told_L1"), ("*oracle told at L+1+K*", "told_L1K")):
        policy = summary.policies[0]
        cells = [label, f"{summary.mixture(policy, what)[0]:.2f}"]
        cells += [f"{heal_score.mean(summary.values(policy, name, what)):.2f}" for name in names]
        lines.append("| " + " | ".join(cells + [""] * 6) + " |")
    return lines


def text(summary):
    runs = ", ".join(f"{name} {len(summary.seeds(name))}" for name in summary.classes)
    lines = [
        f"seeds by class: {runs}. Excess ± standard error; detect and heal: median batches (share ever)."
    ]
    return "\n".join(lines + table(summary))
