"""The healing bench: its streams are what they say, its scores are right, and a short run goes through.

Runs in the environment of bench/requirements.txt; run.py starts it there. The last line is its results.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/heal"))

import heal_faults  # noqa: E402
import heal_score  # noqa: E402
import heal_stream  # noqa: E402

PROGRAM = sys.argv[sys.argv.index("--program") + 1]


def result_with(faults, days, switches=(), treatments=(), label_delay=0):
    """A run's results by hand: `days` is [(error, oracle)], `treatments` [(batch, name)]."""
    events = [
        {
            "time": heal_stream.time_text(heal_stream.day_of(batch)),
            "kind": "treatment",
            "detail": {"treatment": name},
        }
        for batch, name in treatments
    ]
    opened = events[0]["time"] if events else ""
    return {
        "class": "world",
        "seed": 0,
        "policy": "ours",
        "label_delay": label_delay,
        "faults": faults,
        "days": [
            {"batch": b, "error": error, "oracle": oracle, "told_L1": oracle, "told_L1K": oracle}
            for b, (error, oracle) in enumerate(days)
        ],
        "asked": 1,
        "answered": 1,
        "external_retrains": [],
        "incidents": [{"opened_at": opened, "events": events}] if events else [],
        "switches": list(switches),
    }


class Streams(unittest.TestCase):
    def test_a_seed_is_a_stream(self):
        one, two = (heal_stream.Stream("mixed", 4, horizon=30) for _ in range(2))
        self.assertEqual(one.to_json(), two.to_json())
        self.assertEqual(one.batches[29].sent, two.batches[29].sent)
        self.assertEqual(one.batches[29].given.tolist(), two.batches[29].given.tolist())

    def test_who_is_told_at_once_is_no_worse_than_who_is_told_late(self):
        stream = heal_stream.Stream("world", 1, horizon=150)
        at_once = sum(stream.oracle_error(stream.batches[b]) for b in range(150))
        late = sum(stream.oracle_error(stream.batches[b], 4) for b in range(150))
        best = sum(stream.bayes_error(stream.batches[b]) for b in range(150))
        self.assertLess(best, at_once)
        self.assertLess(at_once, late)

    def test_poison_lies_on_both_sides_of_the_budget(self):
        lengths, sites = set(), set()
        for seed in range(12):
            stream = heal_stream.Stream("labels", seed, horizon=100)
            lengths |= {fault.length > 3 for fault in stream.faults}
            sites |= {fault.site < 0 for fault in stream.faults}
        self.assertEqual((lengths, sites), ({True, False}, {True, False}))

    def test_each_kind_of_fault_changes_what_is_sent_or_told(self):
        clean = heal_stream.Stream("clean", 2, horizon=12)
        for name in ("data", "labels"):
            for kind in heal_faults.KINDS_OF[name]:
                batch = clean._make(10)
                before = (dict(batch.sent), batch.given.tolist(), batch.file_delay)
                fault = heal_faults.draw_fault(clean.random, kind, 10, clean.first, 12, 3)
                after = heal_stream.apply_fault(clean, fault, batch)
                self.assertNotEqual(before, (after.sent, after.given.tolist(), after.file_delay), kind)


class Scores(unittest.TestCase):
    def test_cost_counts_excess_retrains_false_heals_and_bad_promotions(self):
        switch = {"batch": 41, "from": 1, "to": 2, "error_from": 0.2, "error_to": 0.25}
        days = [(0.3, 0.2)] * 10 + [(0.2, 0.2)] * 50
        figures = heal_score.score(result_with([], days, [switch], [(40, "retrain")]))
        self.assertAlmostEqual(figures["excess"], 1.0)
        self.assertEqual((figures["retrains"], figures["bad"], figures["quiet"]), (1, 1, 60))
        self.assertEqual((figures["false_heals"], figures["useless_heals"]), (2, 2))
        self.assertAlmostEqual(figures["cost"], 1.0 + 0.02 + 0.04 + 0.2)

    def test_a_heal_of_something_wrong_is_not_false_and_its_times_are_counted(self):
        fault = {"kind": "sudden", "start": 10, "length": 9999, "ramp": 0}
        days = [(0.2, 0.2)] * 10 + [(0.4, 0.2)] * 6 + [(0.2, 0.2)] * 30
        switch = {"batch": 16, "from": 1, "to": 2, "error_from": 0.4, "error_to": 0.2}
        figures = heal_score.score(result_with([fault], days, [switch], [(15, "retrain")]))
        self.assertEqual((figures["false_heals"], figures["bad"]), (0, 0))
        self.assertEqual((figures["detected"], figures["healed"]), ([5], [6]))

    def test_a_persons_push_is_no_promotion_of_the_policy(self):
        fault = {"kind": "push", "start": 5, "length": 1, "version": 1}
        switch = {"batch": 5, "from": 4, "to": 1, "error_from": 0.2, "error_to": 0.8}
        figures = heal_score.score(result_with([fault], [(0.2, 0.2)] * 10, [switch]))
        self.assertEqual((figures["promotions"], figures["bad"]), (0, 0))

    def test_poison_within_the_budget_is_told_from_longer_one(self):
        def poison(*spans):
            return {"faults": [{"kind": "flip", "start": s, "length": n} for s, n in spans]}

        self.assertTrue(heal_score.within_budget(poison((5, 3), (20, 1)), 3))
        self.assertFalse(heal_score.within_budget(poison((5, 3), (8, 1)), 3))
        self.assertFalse(heal_score.within_budget({"faults": [{"kind": "unit", "start": 1, "length": 1}]}, 3))


class ShortRun(unittest.TestCase):
    def test_a_short_seed_goes_through_the_real_program(self):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, ROOT / "bench/run.py", "heal", "--json", "--program", PROGRAM]
            command += ["--seeds", "0", "--classes", "mixed", "--policies", "never,ours"]
            done = subprocess.run(
                [*command, "--horizon", "16", "--out", out], capture_output=True, text=True, check=False
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("runs broke", done.stderr)
            rows = json.loads(done.stdout)["rows"]
            self.assertEqual(rows[0]["work"], "mixture")
            results = [
                json.loads(file.read_text(encoding="utf-8")) for file in pathlib.Path(out).rglob("*.json")
            ]
            self.assertEqual([len(result["days"]) for result in results], [16, 16])
            self.assertTrue(all(result["answered"] == result["asked"] > 0 for result in results))


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(json.dumps({"passed": result.testsRun - failed, "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
