#!/usr/bin/env python3
"""`./dev fuzz [TARGET…] [--seconds N] [--seed N]`: random bytes for the readers of strangers' bytes.

They grow from the corpus. Without --seconds: a minute each for what stands open to the network on every
server, a few seconds for the rest. Fails when an input crashes a reader, trips a sanitizer or a CHECK, leaks,
or hangs; the input stays in build/fuzz/findings. What is worth keeping goes to the corpus by hand.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build/fuzz"
FINDINGS = BUILT / "findings"
# Long enough for what each reads; longer inputs are slower and find less.
LENGTHS = {
    "http": 2048,
    "json": 2048,
    "filter": 512,
    "points": 1024,
    "csv": 1024,
    "tensors": 1024,
    "expressions": 512,
}
TARGETS = [*LENGTHS, "project"]
PROGRESS = re.compile(r"#\d+\s")  # A line about the search, which says nothing of the finding.
SECONDS = {"http": 60, "json": 60, "filter": 60}
SECONDS_OTHERS = 5
HANGS_S = 20  # So long that a machine with much else to do is no finding.


def fuzz(target, seconds, seed):
    """(went well, what it says)"""
    with tempfile.TemporaryDirectory() as name:
        seeds = pathlib.Path(name) / "seeds"
        shutil.copytree(HERE / "corpus" / target, seeds)
        if target == "project":
            for file in ROOT.glob("examples/*/trimtab.yaml"):
                shutil.copy(file, seeds / file.parent.name)
        command = [BUILT / f"tests/fuzz_{target}", f"-max_total_time={seconds}", f"-seed={seed}"]
        command += [f"-max_len={LENGTHS.get(target, 8192)}", f"-timeout={HANGS_S}"]
        command += [f"-dict={HERE / target}.dict"]
        command += [
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
            f"-artifact_prefix={FINDINGS / target}-",
            seeds,
        ]
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if not PROGRESS.match(line)]
        return False, "\n".join(said[-40:])
    runs = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    grown = re.search(r"stat::new_units_added:\s+(\d+)", done.stderr)
    return True, f"{int(runs[1]):,} inputs, {grown[1]} of them led somewhere new"


def main():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, help="for each target")
    # Always the same, so that a test run which finds something finds it again; another one to look further.
    parser.add_argument("--seed", type=int, default=1, help="0: a random one")
    parser.add_argument("--program", help="not used; every suite is given it")
    parser.add_argument("--json", help="write {passed, failed} to this file")
    options = parser.parse_args()
    unknown = [target for target in options.targets if target not in TARGETS]
    if unknown:
        parser.error(f"there is no target '{unknown[0]}', but {', '.join(TARGETS)}")
    FINDINGS.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        targets = options.targets or TARGETS
        seconds = [options.seconds or SECONDS.get(target, SECONDS_OTHERS) for target in targets]
        done = pool.map(lambda target, time: fuzz(target, time, options.seed), targets, seconds)
        for target, (is_fine, words) in zip(targets, done):
            passed, failed = passed + is_fine, failed + (not is_fine)
            print(f"{'ok  ' if is_fine else 'FAIL'} {target}: {words}", flush=True)
    if options.json:
        totals = json.dumps({"passed": passed, "failed": failed})
        pathlib.Path(options.json).write_text(totals, encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
