#!/usr/bin/env python3
"""Breaks things on purpose: kills processes at seeded moments, fills the disk, takes the port away.

After every fault the same command must go on to the same result, `trimtab fsck --full` must find nothing,
and steps that had finished must not run again. TRIMTAB_SEED=N starts at another seed; TRIMTAB_KILLS=N kills
so often, and TRIMTAB_RECORD_KILLS=N a server that others log to.
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
import threading
import time
import urllib.error
import urllib.request

import healing_faults
import lifecycle
import record_faults
import scoring
import slow_clients
import swapping
from demands import Failed, demand, demand_whole, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/flights"
KILLS = int(os.environ.get("TRIMTAB_KILLS", "52"))
RECORD_KILLS = int(os.environ.get("TRIMTAB_RECORD_KILLS", "15"))
SEED = int(os.environ.get("TRIMTAB_SEED", "1"))
TRAINING_DAYS, DAYS = 8, 10
# A joined table of so many rows needs more than this to be looked up in.
MANY_PLANES, LITTLE = 300_000, "192MiB"


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


APPLY = ["apply", "--json"]
BACKTEST = ["backtest", "--from", f"2013-01-{TRAINING_DAYS + 1:02d}", "--json", "--policies", "never,trimtab"]


# What an apply leaves in the record, without run ids and the moments at which things were done.
RECORD = {
    "project": "SELECT name, spec_text, as_of FROM project",
    "datasets": "SELECT name, manifest_sha256, row_count FROM dataset",
    "versions": "SELECT model, version, step_key, status, manifest_sha256, gates FROM model_version",
    "files": "SELECT root, path, blob_sha256, size FROM artifact WHERE root NOT LIKE 'run/%'",
    "reports": "SELECT path, blob_sha256, size FROM artifact WHERE root LIKE 'run/%'",
    "aliases": "SELECT model, alias, version FROM model_alias",
    "gates": "SELECT model, version, ordinal, gate, value, low, high, threshold, verdict, reason"
    " FROM gate_result",
    "runs": "SELECT status, lifecycle_stage FROM run",
    "params": "SELECT key, value FROM run_param",
    # Their values are those of the reports; in the journal they stand with the moment of their writing.
    "measured runs": "SELECT count(*) FROM run WHERE number IN (SELECT run FROM metric_journal UNION"
    " SELECT run FROM metric_block)",
    "tags": "SELECT key, value FROM run_tag WHERE key <> 'mlflow.runName'",
    "lineage": "SELECT direction, kind, name, sha256 FROM lineage",
    "endpoints": "SELECT name, model, serving_version, challenger_version, previous_version, health"
    " FROM endpoint",
    "history": "SELECT actor, action, object FROM audit",
    "steps": "SELECT step_key, operation, label, outcome, outputs_json FROM step_result"
    " WHERE outcome = 'done'",
}


def record_of(home):
    """Everything that an apply left, table by table."""
    with contextlib.closing(sqlite3.connect(home / "meta.db")) as database:
        return {name: sorted(database.execute(query), key=repr) for name, query in RECORD.items()}


def demand_same_record(found, expected):
    for name, rows in expected.items():
        missing = [row for row in rows if row not in found[name]]
        added = [row for row in found[name] if row not in rows]
        same = not missing and not added and len(rows) == len(found[name])
        demand(same, f"{name} after the resumed apply: missing {missing[:2]}, added {added[:2]}")


def result_of(done):
    """What a command came to, without what depends on the moment."""
    demand(done.returncode == 0, f"the command failed: {done.stderr}")
    return json.loads(done.stdout).get("policies")


# What is killed, by seed: a first apply, a backtest, an apply of a changed model over one that serves.
CAMPAIGN = [("backtest", BACKTEST), ("apply", APPLY), ("backtest", BACKTEST), ("second apply", APPLY)]


def prepare(program, folder, kind):
    """The project as the command of a campaign finds it."""
    make_project(folder, DAYS)
    if kind != "second apply":
        return
    demand(run(program, APPLY, folder).returncode == 0, "the first apply failed")
    text = (folder / "trimtab.yaml").read_text(encoding="utf-8")
    (folder / "trimtab.yaml").write_text(text.replace("rounds: 20", "rounds: 30"), encoding="utf-8")


def kill_and_resume(program, seed, expected, span):
    """One seeded fault, then the same command again."""
    choose = random.Random(seed)
    kind, words = CAMPAIGN[seed % len(CAMPAIGN)]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prepare(program, folder, kind)
        after_s = choose.uniform(0.02, span[kind])
        hit = kill_at(program, words, folder, after_s, choose)
        homes = [folder / ".trimtab"] + sorted(folder.glob(".trimtab/backtests/*/*/home"))
        homes += sorted(folder.glob(".trimtab/backtests/*/feed"))
        before = {home: finished_steps(home) for home in homes}
        resumed = result_of(run(program, words, folder))
        if words is BACKTEST:
            demand(resumed == expected[kind], f"resumed {resumed}, uninterrupted {expected[kind]}")
        else:
            demand_same_record(record_of(folder / ".trimtab"), expected[kind])
        for home, steps in before.items():
            after = finished_steps(home)
            again = [key for key, when in steps.items() if after.get(key, when) != when]
            demand(not again, f"{len(again)} finished steps ran again in {home}")
        for home in homes:
            if (home / "meta.db").exists():
                demand_whole(program, folder, home)
        return hit


def uninterrupted(program, span):
    """What apply and backtest come to when nobody disturbs them; fills in how long they take."""
    expected = {}
    for kind, words in dict(CAMPAIGN).items():
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            prepare(program, folder, kind)
            started = time.monotonic()
            expected[kind] = result_of(run(program, words, folder))
            span[kind] = time.monotonic() - started
            if words is APPLY:
                expected[kind] = record_of(folder / ".trimtab")
                endpoints = expected[kind]["endpoints"]
                version = 2 if kind == "second apply" else 1
                demand([row[2] for row in endpoints] == [version], f"{kind}: {endpoints}")
    return expected


def test_kills(program):
    """Seeded kills of any process at any moment of a first apply, a second one, and a backtest."""
    span = {}
    expected = uninterrupted(program, span)
    print("  uninterrupted: " + ", ".join(f"{kind} {took:.1f} s" for kind, took in span.items()))
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


def failed_steps(home):
    """The failed steps of a home: label, log and what each used."""
    with contextlib.closing(sqlite3.connect(home / "meta.db")) as database:
        rows = database.execute(
            "SELECT label, log, resources_json FROM step_result WHERE outcome = 'failed'"
        ).fetchall()
    return [(label, log, json.loads(resources)) for label, log, resources in rows]


def failed_step(home):
    """The only one."""
    steps = failed_steps(home)
    demand(len(steps) == 1, f"failed steps: {steps}")
    return steps[0]


def demand_used(resources, wall_s=0.0):
    """A step that failed has used something all the same, and that is kept."""
    for figure in ("cpu_s", "wall_s", "peak_rss_bytes", "bytes_read"):
        demand(resources.get(figure, 0) > 0, f"{figure} of a failed step: {resources}")
    demand("rows" in resources, str(resources))
    demand(resources["wall_s"] >= wall_s, f"ended before {wall_s} s: {resources}")


def interrupt_training(program, words, folder, number):
    """Starts the command and sends a signal to its workers once the learner is at work."""
    process = subprocess.Popen(
        [program, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.startswith("  check_table"):
            break
    time.sleep(0.5)
    for child in descendants(process.pid)[1:]:
        os.kill(child, number)
    said = process.stderr.read()
    return process.wait(timeout=60), said


def test_worker_killed(program):
    """A step whose worker dies is a failed step with its log kept; the next call goes on."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 4, rounds=4000)
        code, said = interrupt_training(program, ["apply"], folder, signal.SIGKILL)
        demand(code == 1, f"exit code {code}: {said}")
        demand("error: the step 'train late' was ended by signal 9" in said, said)
        label, log, resources = failed_step(folder / ".trimtab")
        demand(label == "train late" and "signal 9" in log, f"{label}: {log}")
        demand_used(resources)
        demand_whole(program, folder, folder / ".trimtab")


DEADLINE = "error: the step 'train late' passed its deadline of 4s"
DEADLINE_HINT = "hint: grant it more with --step-time-max"


def test_deadline(program):
    """A step that takes too long, and one whose process stands still, end at the limit that the user set."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 4, rounds=100_000)
        words = ["apply", "--step-time-max", "4s"]
        for stops in (True, False):
            if stops:
                code, said = interrupt_training(program, words, folder, signal.SIGSTOP)
            else:
                done = run(program, words, folder)
                code, said = done.returncode, done.stderr
            demand(code == 1, f"exit code {code}: {said}")
            demand(DEADLINE in said and DEADLINE_HINT in said, said)
            label, log, resources = failed_step(folder / ".trimtab")
            demand(label == "train late" and "passed its deadline of 4s" in log, f"{label}: {log}")
            demand_used(resources, 4)
        # More time is no other step: what was finished stays, and the step is tried again.
        before = finished_steps(folder / ".trimtab")
        make_project_quick(folder)
        done = run(program, ["apply", "--step-time-max", "2m"], folder)
        demand(done.returncode == 0, done.stderr)
        after = finished_steps(folder / ".trimtab")
        demand(all(after[key] == when for key, when in before.items()), "finished steps ran again")
        demand_whole(program, folder, folder / ".trimtab")


def make_project_quick(folder):
    text = (folder / "trimtab.yaml").read_text(encoding="utf-8")
    (folder / "trimtab.yaml").write_text(re.sub(r"rounds: \d+", "rounds: 20", text), encoding="utf-8")


def test_memory(program):
    """A step that needs more memory than the user granted is a failed step; with more it is done."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 4)
        with open(folder / "data/planes.csv", "a", encoding="utf-8") as planes:
            for number in range(MANY_PLANES):
                planes.write(f"X{number},2004,Fixed wing,MAKER {number},M-1,2,55,NA,Turbo-fan\n")
        little = run(program, ["apply", "--step-memory-max", LITTLE], folder)
        demand(little.returncode == 1, f"exit code {little.returncode}: {little.stderr}")
        said = re.search(
            rf"(?m)^error: the step '(.*)' needed more memory than its limit of {LITTLE}", little.stderr
        )
        demand(said and "hint: grant it more with --step-memory-max" in little.stderr, little.stderr)
        label, log, resources = failed_step(folder / ".trimtab")
        demand(label == said.group(1) and "needed more memory" in log, f"{label}: {log}")
        demand_used(resources)
        enough = run(program, ["apply", "--step-memory-max", "6GiB"], folder)
        demand(enough.returncode == 0, enough.stderr)
        demand_whole(program, folder, folder / ".trimtab")


def test_limits_are_read(program):
    """A limit that is none is refused before anything begins; a running server keeps its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 4)
        wrong = run(program, ["apply", "--step-memory-max", "2"], folder)
        demand(wrong.returncode == 2 and "--step-memory-max: '2' is no size" in wrong.stderr, wrong.stderr)
        demand(not (folder / ".trimtab").exists(), "a home was made")
        demand(run(program, ["apply"], folder).returncode == 0, "apply failed")
        with serving(program, folder, []):
            refused = run(program, ["apply", "--step-time-max", "1m"], folder)
            demand(refused.returncode == 1, f"exit code {refused.returncode}: {refused.stderr}")
            demand("a server owns this home, and its steps have the limits" in refused.stderr, refused.stderr)


@contextlib.contextmanager
def serving(program, folder, words):
    """A server of the project, while it serves: its address."""
    server = subprocess.Popen(
        [program, "serve", "--port", "0", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield "http://127.0.0.1:" + server.stdout.readline().rsplit(":", 1)[1].strip()
        server.terminate()
        demand(server.wait(timeout=60) == 0, f"the server ended with {server.returncode}")
    finally:
        server.kill()
        server.wait()


def ask(address, path, body=None):
    """The JSON that the server answers; anything but 200 is a broken promise."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as wrong:
        raise Failed(f"{path}: {wrong.code} {wrong.read().decode()}") from wrong


def flight(day, number):
    return {
        "prediction_id": f"{day}-{number}",
        "sched_dep": f"2013-01-{day:02d}T15:00:00Z",
        "carrier": "UA",
        "origin": "LGA",
        "dest": "ORD",
        "distance": 700 + number,
        "tailnum": "N37422",
    }


def live_days(address, days):
    """Sends a few flights and their labels on each of these days; the next morning closes the batch."""
    for day in days:
        ask(address, "/api/v1/clock", {"to": f"2013-01-{day:02d}T12:00:00Z"})
        rows = [flight(day, number) for number in range(20)]
        ask(address, "/endpoints/late/invocations", {"dataframe_records": rows})
        labels = [{"id": row["prediction_id"], "label": number % 2} for number, row in enumerate(rows)]
        ask(address, "/api/v1/endpoints/late/labels", {"labels": labels})


def test_server_survives_its_retraining(program):
    """The server answers while its own retraining hangs, and when that has failed; the champion stays."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, DAYS)
        demand(run(program, APPLY, folder).returncode == 0, "apply failed")
        text = (folder / "trimtab.yaml").read_text(encoding="utf-8")
        (folder / "trimtab.yaml").write_text(text.replace("rounds: 20", "rounds: 100000"), encoding="utf-8")
        first = TRAINING_DAYS + 1
        words = ["--clock", "manual", "--as-of", f"2013-01-{first:02d}", "--policy", "every:1d"]
        with serving(program, folder, [*words, "--step-time-max", "4s"]) as address:
            live_days(address, range(first, first + 3))
            # The last batch closes and the policy retrains: the clock stands still until that is over.
            problems = []
            healing = threading.Thread(target=guarded, args=(problems, address, f"2013-01-{first + 5:02d}"))
            healing.start()
            answers = 0
            while healing.is_alive():
                reply = ask(
                    address,
                    "/endpoints/late/invocations",
                    {"dataframe_records": [flight(first, answers + 99)]},
                )
                demand(reply["model_version"] == "1", str(reply))
                answers += 1
                time.sleep(0.05)
            healing.join()
            demand(not problems, str(problems))
            demand(answers > 10, f"{answers} answers while it was healing")
            incidents = ask(address, "/api/v1/incidents")["incidents"]
            outcomes = [e["detail"] for i in incidents for e in i["events"] if e["kind"] == "outcome"]
            failed = [o for o in outcomes if o["error"] == "the step 'train late' passed its deadline of 4s"]
            demand(failed and failed == outcomes, f"outcomes of healing: {outcomes}")
            demand(ask(address, "/api/v1/endpoints/late")["champion"] == 1, "another champion")
        steps = failed_steps(folder / ".trimtab")
        demand(len(steps) == len(outcomes), f"{len(steps)} failed steps, {len(outcomes)} failed treatments")
        for _, log, resources in steps:
            demand("passed its deadline of 4s" in log, log)
            demand_used(resources, 4)
        demand_whole(program, folder, folder / ".trimtab")


def guarded(problems, address, day):
    """Moves the clock; a failure is for the thread that waits to tell."""
    try:
        ask(address, "/api/v1/clock", {"to": f"{day}T12:00:00Z"})
    except (Failed, OSError) as problem:
        problems.append(problem)


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


def test_slow_clients(program):
    """A thousand half-open and slow clients do not slow an innocent one."""
    slow_clients.run(program, demand)


def test_record_kills(program):
    """The server killed under the load of many clients."""
    record_faults.test_record_kills(program, RECORD_KILLS, SEED)


def test_record_disk_faults(program):
    """A disk that is full for a moment, under load."""
    record_faults.test_record_disk_faults(program, RECORD_KILLS, SEED)


def test_record_broken_disk(program):
    """A disk that loses a write or an fsync, under load."""
    record_faults.test_record_broken_disk(program, max(4, RECORD_KILLS // 4), SEED)


def test_score_goes_on(program):
    """A batch scoring that is killed goes on where it was."""
    scoring.test_score_goes_on(program, make_project)


def test_nobody_is_refused_while_things_change(program):
    """Versions and project files are exchanged under load, and each request is answered."""
    swapping.test_nobody_is_refused_while_things_change(program, make_project)


TESTS = [
    test_record_kills,
    test_record_disk_faults,
    test_record_broken_disk,
    test_port_taken,
    test_limits_are_read,
    test_worker_killed,
    test_deadline,
    test_memory,
    test_slow_clients,
    test_server_survives_its_retraining,
    test_disk_full,
    test_kills,
    *lifecycle.TESTS,
    *healing_faults.TESTS,
    test_score_goes_on,
    test_nobody_is_refused_while_things_change,
]


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
