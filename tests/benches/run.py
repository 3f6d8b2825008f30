#!/usr/bin/env python3
"""Shows that the benches run: short ones, in the environment of bench/requirements.txt."""

import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ["healing_bench.py"]


def run_tests(python, name, program):
    """(passed, failed) of one file of tests; one that says nothing has failed."""
    done = subprocess.run(
        [python, ROOT / "tests/benches" / name, "--program", program],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        totals = json.loads(done.stdout.splitlines()[-1])
        return totals["passed"], totals["failed"]
    except (IndexError, ValueError, KeyError):
        print(f"{name} ended with {done.returncode} and without results\n{done.stdout}")
        return 0, 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--json")
    options = parser.parse_args()
    command = ["python3", "cmake/dependencies.py", "venv", "bench", "bench/requirements.txt"]
    python = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    totals = [run_tests(python, name, os.path.abspath(options.program)) for name in TESTS]
    passed, failed = (sum(column) for column in zip(*totals, strict=True))
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"passed": passed, "failed": failed}), encoding="utf-8"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
