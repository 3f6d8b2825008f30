"""Drift of 100,000 rows × 20 columns (15 numbers, 5 texts) against 100,000 rows of training.

The peer is Evidently's DataDriftPreset on two pandas frames in memory, which is how its users have it. Ours
is asked twice: as a server that has served the rows (`GET …/watch`: the counts are kept already), and with
nothing kept (`trimtab drift`: two Parquet files, read and counted in a new process).
"""

import contextlib
import http.client
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

from run import Row

ROWS, NUMBERS, TEXTS = 100_000, 15, 5
BATCH = 2_000
PROJECT = """project: drift
sources:
  rows: {read: reference.csv, time: at}
tables:
  t: {from: rows}
models:
  m: {from: t, task: binary, target: y > 0, features: [FEATURES], learner: {lightgbm: {rounds: 20}}}
endpoints:
  watched: {model: m}
"""


def frames():
    """Reference and current: some columns move, most do not."""
    import numpy
    import pandas

    random = numpy.random.default_rng(7)

    def frame(shift):
        data = {f"n{i}": random.normal(shift if i < 4 else 0, 1 + i / 10, ROWS) for i in range(NUMBERS)}
        for i in range(TEXTS):
            shares = numpy.arange(12, 0, -1.0)
            shares[0] *= 1 + shift * (i == 0)
            data[f"c{i}"] = random.choice([f"v{k}" for k in range(12)], ROWS, p=shares / shares.sum())
        return pandas.DataFrame(data)

    return frame(0.0), frame(0.3)


def write_project(folder, reference):
    table = reference.copy()
    table.insert(
        0, "at", [f"2024-01-01T{i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02}Z" for i in range(ROWS)]
    )
    table["y"] = (table["n0"] + table["n1"] > 0).astype(int)
    table.to_csv(folder / "reference.csv", index=False)
    features = ", ".join(reference.columns)
    (folder / "trimtab.yaml").write_text(PROJECT.replace("FEATURES", features), encoding="utf-8")


@contextlib.contextmanager
def our_server(program, folder):
    process = subprocess.Popen(
        [program, "serve", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().strip().rsplit(" ", 1)[1]
        yield process, http.client.HTTPConnection(address.removeprefix("http://"), timeout=120)
    finally:
        process.terminate()
        process.wait()


def ask(connection, method, path, body=None):
    headers = {"Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    reply = connection.getresponse()
    text = reply.read()
    if reply.status != 200:
        raise RuntimeError(f"{method} {path}: {reply.status} {text[:400]}")
    return json.loads(text)


def feed(connection, current):
    columns = list(current.columns)
    for start in range(0, ROWS, BATCH):
        rows = current.iloc[start : start + BATCH].values.tolist()
        ask(
            connection,
            "POST",
            "/endpoints/watched/invocations",
            {"dataframe_split": {"columns": columns, "data": rows}},
        )


def memory_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def evidently(reference, current):
    from evidently import Report
    from evidently.presets import DataDriftPreset

    report = Report([DataDriftPreset()]).run(current_data=current, reference_data=reference)
    return report.dict()


def run(program, rounds, _quick=False):
    reference, current = frames()
    peer = "evidently DataDriftPreset, frames in memory"
    kept = Row("20 columns × 100,000 rows, as served", "s", peer, goal=200, more_is_better=False)
    files = Row("20 columns × 100,000 rows, from two Parquet files", "s", peer, more_is_better=False)
    evidently(reference.head(100), current.head(100))  # Its imports are not counted.
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_project(folder, reference)
        reference.to_parquet(folder / "reference.parquet")
        current.to_parquet(folder / "current.parquet")
        subprocess.run([program, "apply", str(folder)], check=True, stdout=sys.stderr)
        with our_server(program, folder) as (process, connection):
            feed(connection, current)
            path = "/api/v1/endpoints/watched/watch?window=1d"
            before = memory_mb(process.pid)
            for _ in range(rounds):
                asked = [timed(lambda: ask(connection, "GET", path)) for _ in range(5)]
                kept.ours.append(sorted(seconds for seconds, _ in asked)[2])
                report = asked[0][1]
                command = [
                    program,
                    "drift",
                    str(folder / "reference.parquet"),
                    str(folder / "current.parquet"),
                ]
                files.ours.append(
                    timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))[0]
                )
                kept.theirs.append(timed(lambda: evidently(reference, current))[0])
            files.theirs = kept.theirs
            moved = [column["name"] for column in report["columns"] if column["verdict"] == "moved"]
            print(f"  rows {report['window']['rows']:,}, moved: {', '.join(moved)}", file=sys.stderr)
            children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            after = memory_mb(process.pid)
            print(
                f"  memory: the counts {report['counts_bytes'] / 1e6:.2f} MB; the server that served the "
                f"rows {before:.0f} MB, after the questions {after:.0f} MB; apply and drift at most "
                f"{children:.0f} MB; this process and the peer {own:.0f} MB",
                file=sys.stderr,
            )
    return [kept, files]
