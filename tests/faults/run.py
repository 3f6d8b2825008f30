#!/usr/bin/env python3
"""Breaks things on purpose: kills processes at seeded moments, fills the disk, takes the port away.

After every fault the same command must go on to the same result, `trimtab fsck --full` must find nothing,
and steps that had finished must not run again. TRIMTAB_SEED=N starts at another seed; TRIMTAB_KILLS=N kills
so often.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/flights"
KILLS = int(os.environ.get("TRIMTAB_KILLS", "52"))
SEED = int(os.environ.get("TRIMTAB_SEED", "1"))
TRAINING_DAYS, DAYS = 8, 10


class Failed(Exception):
    """A promise that did not hold."""


def make_project(folder, days, rounds=20):
    """The flights example on its first days, quick to train."""
    for kind in ("flights", "weather"):
        (folder / "data" / kind).mkdir(parents=True)
        for file in sorted((EXAMPLE / "data" / kind).glob("*.csv"))[:days]:
            shutil.copy(file, folder / "data" / kind / file.name)
    shutil.copy(EXAMPLE / "data/planes.csv", folder / "data/planes.csv")
    text = (EXAMPLE / "trimtab.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^as_of: \S+", f"as_of: 2013-01-{TRAINING_DAYS + 1:02d}", text)
    text = text.replace("test: 14d", "test: 1d").replace("at_least: 10000", "at_least: 1000")
    text = re.sub(r"rounds: \d+", f"rounds: {rounds}", text)
    text = re.sub(r"(?s)    gates:.*?\n\n", "    gates: [auc >= 0.1]\n\n", text)
    (folder / "trimtab.yaml").write_text(text, encoding="utf-8")


def run(program, words, folder, timeout=120):
    return subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )


def demand(condition, words):
    if not condition:
        raise Failed(words)


def descendants(pid):
    """A process and all below it, from /proc."""
    found, waiting = [], [pid]
    while waiting:
        at = waiting.pop()
        found.append(at)
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{at}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
    return found


def kill_at(program, words, folder, after_s, choose):
    """Starts the command and kills one of its processes; True when it was still running then."""
    process = subprocess.Popen(
        [program, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(timeout=after_s)
        return False
    except subprocess.TimeoutExpired:
        victim = choose.choice(descendants(process.pid))
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    process.wait(timeout=120)
    return True


def finished_steps(home):
    """Key and time of every step that is done."""
    if not (home / "meta.db").exists():
        return {}
    with contextlib.closing(sqlite3.connect(home / "meta.db")) as database:
        try:
            rows = database.execute("SELECT step_key, finished_at FROM step_result WHERE outcome = 'done'")
            return dict(rows.fetchall())
        except sqlite3.OperationalError:
            return {}


def demand_whole(program, folder, home):
    checked = run(program, ["fsck", ".", "--home", str(home), "--full"], folder)
    demand(checked.returncode == 0, f"fsck of {home.name}: {checked.stdout}{checked.stderr}")


APPLY = ["apply", "--json"]
BACKTEST = ["backtest", "--from", f"2013-01-{TRAINING_DAYS + 1:02d}", "--json", "--policies", "never,trimtab"]


def result_of(done):
    """What a command came to, without what depends on the moment."""
    demand(done.returncode == 0, f"the command failed: {done.stderr}")
    answer = json.loads(done.stdout)
    return {"policies": answer.get("policies"), "metrics": [m.get("gates") for m in answer.get("models", [])]}


def kill_and_resume(program, seed, expected, span):
    """One seeded fault, then the same command again."""
    choose = random.Random(seed)
    words = APPLY if seed % 2 else BACKTEST
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, DAYS)
        after_s = choose.uniform(0.02, span[words[0]])
        hit = kill_at(program, words, folder, after_s, choose)
        homes = [folder / ".trimtab"] + sorted(folder.glob(".trimtab/backtests/*/*/home"))
        homes += sorted(folder.glob(".trimtab/backtests/*/feed"))
        before = {home: finished_steps(home) for home in homes}
        resumed = result_of(run(program, words, folder))
        if words is BACKTEST:
            demand(resumed == expected, f"resumed {resumed}, uninterrupted {expected}")
        for home, steps in before.items():
            after = finished_steps(home)
            again = [key for key, when in steps.items() if after.get(key, when) != when]
            demand(not again, f"{len(again)} finished steps ran again in {home}")
        for home in homes:
            if (home / "meta.db").exists():
                demand_whole(program, folder, home)
        return hit


def test_kills(program):
    """Seeded kills of any process at any moment of apply and backtest."""
    span = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, DAYS)
        started = time.monotonic()
        done = run(program, BACKTEST, folder)
        span["backtest"] = time.monotonic() - started
        expected = result_of(done)
        span["apply"] = span["backtest"] / 3
        print(f"  uninterrupted: {span['backtest']:.1f} s")
    hits = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        runs = {
            pool.submit(kill_and_resume, program, SEED + number, expected, span): SEED + number
            for number in range(KILLS)
        }
        for future in concurrent.futures.as_completed(runs):
            try:
                hits += future.result()
            except Failed as problem:
                raise Failed(f"TRIMTAB_SEED={runs[future]} TRIMTAB_KILLS=1: {problem}") from problem
    print(f"  {KILLS} seeded moments, {hits} hit a running process")


def test_worker_killed(program):
    """A step whose worker dies is a failed step with its log kept; the next call goes on."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 4, rounds=4000)
        process = subprocess.Popen(
            [program, "apply"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for line in process.stderr:
            if line.startswith("  check_table"):
                break
        time.sleep(0.5)
        for child in descendants(process.pid)[1:]:
            os.kill(child, signal.SIGKILL)
        words = process.stderr.read()
        demand(process.wait(timeout=60) == 1, f"exit code {process.returncode}: {words}")
        demand("error: the step 'train late' was ended by signal 9" in words, words)
        with contextlib.closing(sqlite3.connect(folder / ".trimtab/meta.db")) as database:
            failed = database.execute(
                "SELECT label, log FROM step_result WHERE outcome = 'failed'"
            ).fetchall()
        demand(len(failed) == 1 and failed[0][0] == "train late" and "signal 9" in failed[0][1], str(failed))
        demand_whole(program, folder, folder / ".trimtab")


def test_disk_full(program):
    """A full disk stops the command with its own code and words; with space again it goes on."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 4)
        home = folder / "small"
        home.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(home)], check=True)
        try:
            full = run(program, ["apply", ".", "--home", str(home)], folder)
            demand(full.returncode == 3, f"exit code {full.returncode}: {full.stderr}")
            # The database or a step's output, whichever met the full disk first.
            said = re.search(
                r"(?m)^error: .*(no space is left to write|No space left on device)", full.stderr
            )
            demand(said and "hint: free " in full.stderr, full.stderr)
            demand("Traceback" not in full.stderr and "terminate" not in full.stderr, full.stderr)
            subprocess.run(["mount", "-o", "remount,size=200m", str(home)], check=True)
            again = run(program, ["apply", ".", "--home", str(home)], folder)
            demand(again.returncode == 0, again.stderr)
            demand_whole(program, folder, home)
        finally:
            subprocess.run(["umount", str(home)], check=True)


def test_port_taken(program):
    """A port in use is named, with what to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 4)
        demand(run(program, ["apply"], folder).returncode == 0, "apply failed")
        first = subprocess.Popen(
            [program, "serve", "--port", "0"], cwd=folder, stdout=subprocess.PIPE, text=True
        )
        port = first.stdout.readline().rsplit(":", 1)[1].strip()
        try:
            second = run(program, ["serve", "--home", "other", "--port", port], folder)
            demand(second.returncode == 3, f"exit code {second.returncode}: {second.stderr}")
            demand(f"127.0.0.1:{port}" in second.stderr and "in use" in second.stderr, second.stderr)
        finally:
            first.kill()
            first.wait()


TESTS = [test_port_taken, test_worker_killed, test_disk_full, test_kills]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--json")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if not (EXAMPLE / "data/planes.csv").exists():
        subprocess.run([sys.executable, str(EXAMPLE / "get_data.py")], check=True)
    program = str(pathlib.Path(options.program).resolve())
    passed = failed = 0
    for test in TESTS:
        if options.names and test.__name__ not in options.names:
            continue
        started = time.monotonic()
        try:
            test(program)
            passed += 1
            print(f"ok   {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except (Failed, subprocess.SubprocessError, OSError) as problem:
            failed += 1
            print(f"FAIL {test.__name__}: {problem}", flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"passed": passed, "failed": failed}), encoding="utf-8"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
