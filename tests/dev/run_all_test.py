#!/usr/bin/env python3
"""The runner never takes silence for success."""

import contextlib
import importlib.util
import io
import json
import os
import pathlib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("run_all", ROOT / "tests/run_all.py")
run_all = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_all)


def outcome(script, results=run_all.read_totals):
    """(passed, failed, what is printed) for a suite that is this shell script; $1 is its results file."""
    suite = run_all.Suite("a_suite", ["sh", "-c", script, "sh", "{out}"], results, None)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        passed, failed = run_all.run_all([suite])
    return passed, failed, printed.getvalue()


def gtest_report(tests, failures, disabled, skipped):
    cases = [{"name": f"a{i}", "result": "SKIPPED"} for i in range(skipped)]
    totals = {"tests": tests, "failures": failures, "disabled": disabled, "errors": 0}
    return json.dumps({**totals, "testsuites": [{"name": "A", "testsuite": cases}]})


class Counting(unittest.TestCase):
    def test_a_suite_that_reports_is_added_up_in_one_line(self):
        passed, failed, printed = outcome('echo noise; echo \'{"passed": 3, "failed": 0}\' > "$1"')
        self.assertEqual((passed, failed), (3, 0))
        self.assertRegex(printed, r"^ok +a_suite +3 passed +0 failed +\d+\.\d s\n$")

    def test_output_of_a_failure_is_shown_and_never_looks_like_the_summary(self):
        report = 'echo "9 passed, 0 failed"; echo \'{"passed": 2, "failed": 1}\' > "$1"; exit 1'
        passed, failed, printed = outcome(report)
        self.assertEqual((passed, failed), (2, 1))
        self.assertIn("    | 9 passed, 0 failed\n", printed)

    def test_what_failed_is_repeated_at_the_end(self):
        script = "for i in $(seq 100); do echo line $i; done; exit 1"
        printed = outcome(script)[2]
        self.assertEqual(printed.count("    | line 99\n"), 2)
        self.assertEqual(printed.count("    | line 9\n"), 1)
        self.assertIn("\na_suite failed:\n", printed)

    def test_of_a_googletest_program_only_the_failures_are_shown(self):
        output = (
            "[----------] 3 tests from A\n[ RUN      ] A.b\nnoise\n[       OK ] A.b (0 ms)\n"
            "[ RUN      ] A.c\nExpected: 1\n[  FAILED  ] A.c (1 ms)\n"
            "[ RUN      ] A.d\n[       OK ] A.d (0 ms)\n[----------] 3 tests from A (1 ms total)\n\nend\n"
        )
        shown = "[ RUN      ] A.c\nExpected: 1\n[  FAILED  ] A.c (1 ms)\nend\n"
        self.assertEqual(run_all.without_passed_tests(output), shown)

    def test_random_values_have_a_fixed_seed(self):
        wanted = os.environ.get("RC_PARAMS", "seed=1")
        self.assertIn(f"| {wanted}\n", outcome("echo $RC_PARAMS; exit 1")[2])

    def test_a_crash_is_one_failure(self):
        self.assertEqual(outcome("kill -9 $$")[:2], (0, 1))

    def test_no_report_is_one_failure(self):
        self.assertEqual(outcome("exit 0")[:2], (0, 1))

    def test_a_bad_end_after_a_good_report_is_one_failure(self):
        self.assertEqual(outcome('echo \'{"passed": 3, "failed": 0}\' > "$1"; exit 9')[:2], (3, 1))

    def test_a_googletest_program_that_dies_keeps_what_it_had_passed(self):
        script = 'echo "[       OK ] A.b (0 ms)"; echo "[ RUN      ] A.c"; kill -11 $$'
        self.assertEqual(outcome(script, run_all.read_gtest)[:2], (1, 1))

    def test_a_googletest_report_leaves_out_what_did_not_run(self):
        script = f"echo '{gtest_report(tests=10, failures=2, disabled=1, skipped=3)}' > \"$1\"; exit 1"
        self.assertEqual(outcome(script, run_all.read_gtest)[:2], (4, 2))

    def test_unittest_counts_errors_as_failures_and_leaves_out_skipped(self):
        script = 'echo "Ran 9 tests in 0.1s"; echo "FAILED (failures=1, errors=2, skipped=1)"; exit 1'
        self.assertEqual(outcome(script, run_all.read_unittest)[:2], (5, 3))

    def test_a_program_that_is_not_there_is_one_failure(self):
        suite = run_all.Suite("gone", ["./no/such/program"], run_all.read_gtest, None)
        self.assertEqual(run_all.run_suite(suite)[:2], (0, 1))


class Choosing(unittest.TestCase):
    def test_a_short_name_chooses_a_suite(self):
        self.assertEqual([suite.name for suite in run_all.choose(["house_rules"], False)][0], "house_rules")

    def test_an_unknown_name_lists_the_known_ones(self):
        with self.assertRaises(SystemExit) as raised:
            run_all.choose(["nosuch"], False)
        self.assertRegex(str(raised.exception), r"no suite 'nosuch'; there are: house_rules, ")

    def test_threads_are_looked_at_only_when_asked_for(self):
        self.assertNotIn("test_tsan", [suite.name for suite in run_all.choose([], False)])


if __name__ == "__main__":
    unittest.main()
