#!/usr/bin/env python3
"""Runs the test suites and adds up their results: `./dev test [--list] [--tsan] [SUITE…]`.

The last line is `N passed, N failed`. A suite that crashes, hangs or says nothing counts as one failed test.
The output of a failing suite is shown, indented, so that no line of it looks like ours; its end once more
above the last line. Random values have a fixed seed, so that a red run is red again; rapidcheck's RC_PARAMS,
for example "seed=7", looks elsewhere.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = "bin/trimtab"
RELEASE_TESTS = "build/release/tests"
TIME_LIMIT_S = 30 * 60
# How much of a failing suite is repeated above the last line.
RECAP_LINES = 40
# Suites that are programs of their own: tests/<name>/run.py --program PROGRAM --json OUT
FOLDERS = ["scenarios", "clients", "differential", "faults", "fuzz", "benches"]

# command: what to run, {out} being the file for its results; results: reads (passed, failed) from that file
# and from the output; preset: what to build before.
Suite = collections.namedtuple("Suite", "name command results preset")


def read_totals(out, _output):
    """Results of our own scripts: {"passed": N, "failed": N}."""
    totals = json.loads(out.read_text(encoding="utf-8"))
    return int(totals["passed"]), int(totals["failed"])


def read_gtest(out, output):
    """Results of a GoogleTest program; of one that died, what it had finished by then."""
    if not out.exists() or not out.read_text(encoding="utf-8").strip():
        return len(re.findall(r"^\[       OK \] .*ms\)$", output, re.MULTILINE)), 1
    totals = json.loads(out.read_text(encoding="utf-8"))
    cases = [case for suite in totals.get("testsuites", []) for case in suite["testsuite"]]
    not_run = totals["disabled"] + sum(case.get("result") == "SKIPPED" for case in cases)
    return totals["tests"] - totals["failures"] - not_run, totals["failures"]


def read_unittest(_out, output):
    """Results of Python's unittest: `Ran 7 tests`, `FAILED (failures=1, errors=2, skipped=1)`."""
    ran = int(re.search(r"^Ran (\d+) tests?", output, re.MULTILINE).group(1))
    counts = {kind: int(number) for kind, number in re.findall(r"(failures|errors|skipped)=(\d+)", output)}
    failed = counts.get("failures", 0) + counts.get("errors", 0)
    return ran - failed - counts.get("skipped", 0), failed


def read_version(_out, output):
    """The program starts: one test."""
    return (1, 0) if re.match(r"trimtab \d+\.\d+\.\d+", output) else (0, 1)


def gtest_suite(program, preset):
    return Suite(pathlib.Path(program).name, [program, "--gtest_output=json:{out}"], read_gtest, preset)


def has_tests(room):
    return any((ROOT / "src" / room).rglob("*_test.cc"))


def rooms_with_tests():
    """The rooms that get a test program, in the order of layers.txt. Known before anything is built."""
    lines = (ROOT / "layers.txt").read_text(encoding="utf-8").splitlines()
    rooms = [line.split()[0] for line in lines if re.match(r"[a-z_]+ +\d+ ", line)]
    return [room for room in rooms if has_tests(room)]


def sanitizer_presets():
    """The presets that make one test program of several rooms, when there are tests for it."""
    presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))["configurePresets"]
    for preset in presets:
        rooms = preset["cacheVariables"].get("TRIMTAB_TEST_PROGRAM_ROOMS", "")
        if any(has_tests(room) for room in rooms.split(";") if room):
            yield preset["name"]


def suites():
    """Every suite that exists in the tree, cheapest first. ThreadSanitizer runs only when it is asked for."""
    rules = ["python3", "tests/house_rules/house_rules.py", "--json", "{out}"]
    yield Suite("house_rules", rules, read_totals, None)
    for path in sorted([*(ROOT / "tests").rglob("*_test.py"), *(ROOT / "python").rglob("*_test.py")]):
        yield Suite(path.stem, ["python3", str(path.relative_to(ROOT))], read_unittest, None)
    yield Suite("program", [PROGRAM, "--version"], read_version, "release")
    for room in rooms_with_tests():
        yield gtest_suite(f"{RELEASE_TESTS}/test_{room}", "release")
    for name in FOLDERS:
        if (ROOT / "tests" / name / "run.py").exists():
            command = ["python3", f"tests/{name}/run.py", "--program", PROGRAM, "--json", "{out}"]
            yield Suite(name, command, read_totals, "fuzz" if name == "fuzz" else "release")
    for preset in sanitizer_presets():
        yield gtest_suite(f"build/{preset}/tests/test_{preset}", preset)


def run(command):
    """(exit code, output) of a command; the code is None when it ran out of time."""
    env = {"UBSAN_OPTIONS": "print_stacktrace=1", "RC_PARAMS": "seed=1", **os.environ}
    try:
        done = subprocess.run(
            command,
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT_S,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode("utf-8", "replace") + f"\nno end after {TIME_LIMIT_S} s"
    except OSError as error:
        return 127, f"{command[0]}: {error.strerror}"


def run_suite(suite):
    """(passed, failed, output) of one suite."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "results.json"
        code, output = run([part.replace("{out}", str(out)) for part in suite.command])
        try:
            passed, failed = suite.results(out, output)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            passed, failed, output = 0, 1, f"{output}\nno results ({type(error).__name__}: {error})"
    if code != 0 and failed == 0:
        failed, output = 1, f"{output}\nended with {code} although no test failed"
    return passed, failed, output


def without_passed_tests(output):
    """The output of a GoogleTest program without that of the tests that passed; any other as it is."""
    passed = r"^\[ RUN      \] (\S+)\n(?:(?!\[ RUN ).*\n)*?\[       OK \] \1(?=[ ,]).*\n"
    output = re.sub(passed, "", output, flags=re.MULTILINE)
    return re.sub(r"^\[-{10}\].*\n\n?", "", output, flags=re.MULTILINE)


def indented(text):
    return "\n".join("    | " + line for line in text.rstrip().splitlines())


def build(preset, built):
    """Builds a preset once; its output goes to the terminal. Says whether it is built."""
    if preset not in built:
        print(f"building {preset}", flush=True)
        built[preset] = subprocess.run(["./dev", "build", preset], cwd=ROOT, check=False).returncode == 0
    return built[preset]


def run_all(chosen):
    """(passed, failed) over these suites, with a line for each."""
    total_passed, total_failed, built, recap = 0, 0, {}, []
    for suite in chosen:
        if suite.preset and not build(suite.preset, built):
            passed, failed, output, seconds = 0, 1, f"the {suite.preset} build failed", 0.0
        else:
            start = time.monotonic()
            passed, failed, output = run_suite(suite)
            seconds = time.monotonic() - start
        total_passed, total_failed = total_passed + passed, total_failed + failed
        verdict = "FAILED" if failed else "ok"
        counts = f"{passed:>5} passed {failed:>3} failed"
        print(f"{verdict:<6} {suite.name:<24} {counts} {seconds:8.1f} s", flush=True)
        if failed:
            output = indented(without_passed_tests(output))
            print(output, flush=True)
            recap += [f"{suite.name} failed:", *output.splitlines()[-RECAP_LINES:]]
    print("\n".join(recap), end="\n" if recap else "")
    return total_passed, total_failed


def choose(names, want_tsan):
    """The suites to run; ends the program when a name is unknown."""
    every = list(suites())
    if want_tsan:
        names = names + ["tsan"]
    if not names:
        return [suite for suite in every if suite.name != "test_tsan"]
    known = {suite.name for suite in every}
    unknown = [name for name in names if name not in known and f"test_{name}" not in known]
    if unknown:
        known_names = ", ".join(suite.name for suite in every)
        sys.exit(f"error: there is no suite '{unknown[0]}'; there are: {known_names}")
    return [suite for suite in every if suite.name in names or suite.name.removeprefix("test_") in names]


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__.splitlines()[0])
    parser.add_argument("suite", nargs="*", help="run these suites only (test_base, or base for short)")
    parser.add_argument(
        "--tsan", action="store_true", help="look for data races (base, store, http, registry)"
    )
    parser.add_argument("--list", action="store_true", help="name the suites")
    options = parser.parse_args()
    chosen = choose(options.suite, options.tsan)
    if options.list:
        print("\n".join(suite.name for suite in suites()))
        return
    passed, failed = run_all(chosen)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
