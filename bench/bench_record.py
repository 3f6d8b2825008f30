"""The tracking server against `mlflow server` on the same runs, both on SQLite, wrk as the client.

Every write of ours is acknowledged after its fsync. MLflow runs as it ships, but for two things that make
it faster on few cores and smaller: one worker instead of four, and none of the processes that wait for jobs.
While one server is measured, the other is stopped (SIGSTOP).
"""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import record_seed
from load import wait_until, wrk
from run import Row

HERE = pathlib.Path(__file__).resolve().parent
PEER = "mlflow server"
PEER_PORT = 5908
API = "/api/2.0/mlflow/"
RUNS, POINTS, CURVE_POINTS = 10_000, 20, 100_000
STARTS = 3
# With 64 connections the peer may take seconds for its first answers, and goes on with what nobody waits
# for any longer.
PEER_SECONDS_MORE, SETTLE_S_MAX, SETTLED_S = 7, 20, 3
HISTORY_MS_MAX = 60_000  # Of the peer's; no further round begins after it.
ARTIFACT_BYTES = 1_000_000_000
GREAT_RUNS, GREAT_POINTS = 100_000, 100


class Ours:
    """A server of ours on a home of its own."""

    name = "ours"

    def __init__(self, program, home):
        self.program, self.home = program, home
        self.process = self.url = None

    def start(self):
        """Starts it; returns after how many seconds it said where it serves."""
        started = time.monotonic()
        self.process = subprocess.Popen(
            [self.program, "serve", "--home", str(self.home), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = self.process.stdout.readline().strip().rsplit(" ", 1)[1]
        return time.monotonic() - started

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def megabytes(self):
        return memory(self.process.pid, "VmRSS")

    def connect(self):
        host, port = self.url.removeprefix("http://").split(":")
        return http.client.HTTPConnection(host, int(port), timeout=300)

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def seed(self, runs, points, curve=0):
        """A home with so many runs, their metrics sealed; the server is up afterwards."""
        self.start()
        self.stop()
        database = self.home / "meta.db"
        record_seed.seed_ours(database, runs, points)
        if curve:
            record_seed.seed_curve_ours(database, curve)
        self.start()
        left = min(runs, record_seed.BUSY)
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reader:
            while reader.execute("SELECT count(*) FROM metric_journal").fetchone()[0] > left:
                time.sleep(0.2)


class Peer:
    """`mlflow server` on a database of its own."""

    name = PEER
    url = f"http://127.0.0.1:{PEER_PORT}"

    def __init__(self, folder):
        self.database = folder / "mlflow.db"
        self.artifacts = folder / "artifacts"
        self.process = None

    def start(self):
        bin_folder = pathlib.Path(sys.executable).parent
        path = f"{bin_folder}:{os.environ['PATH']}"
        command = [bin_folder / "mlflow", "server", "--workers", "1", "--port", PEER_PORT]
        command += [
            "--backend-store-uri",
            f"sqlite:///{self.database}",
            "--artifacts-destination",
            self.artifacts,
        ]
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env={
                **os.environ,
                "PATH": path,
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(PEER_PORT, "/health", self.process)

    def stop(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGCONT)
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:  # It still answers those who are gone.
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None

    def pause(self, paused):
        os.killpg(self.process.pid, signal.SIGSTOP if paused else signal.SIGCONT)

    def megabytes(self):
        """Of all its processes, what they share counted once."""
        return sum(memory(pid, "Pss", "smaps_rollup") for pid in self.group())

    def cpu_seconds(self):
        return sum(cpu_seconds(pid) for pid in self.group())

    def settle(self):
        """Waits until it answers someone who comes alone; after a while it is started anew.

        Clients that are gone leave requests behind that wait for its database, up to half a minute each.
        """
        end = time.monotonic() + SETTLE_S_MAX
        while time.monotonic() < end:
            connection = http.client.HTTPConnection("127.0.0.1", PEER_PORT, timeout=SETTLED_S)
            with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", f"{API}runs/get?run_id={record_seed.run_ids(1)[0]}")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.2)
        print(f"  {PEER} answers nobody after {SETTLE_S_MAX} s: it is started anew", file=sys.stderr)
        self.stop()
        self.start()

    def group(self):
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self.owns(pid)]

    def owns(self, pid):
        try:
            return os.getsid(pid) == self.process.pid
        except ProcessLookupError:
            return False

    def seed(self, runs, points, curve):
        """MLflow makes the database, as its server does at its first start; the server is up afterwards."""
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{self.database}").search_experiments()
        record_seed.seed_mlflow(self.database, runs, points)
        record_seed.seed_curve_mlflow(self.database, curve)
        self.start()

    def durability(self):
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            journal = database.execute("PRAGMA journal_mode").fetchone()[0]
            synchronous = database.execute("PRAGMA synchronous").fetchone()[0]
        return f"journal_mode={journal}, synchronous={synchronous} (2 is FULL)"


def memory(pid, name, file="status"):
    """In MB, from /proc."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/{file}").read_text(encoding="ascii").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1000
    return 0


def cpu_seconds(pid):
    """That a process has used so far."""
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0


class Works:
    """Pieces of work for wrk; no point is sent twice."""

    def __init__(self, folder, seconds):
        self.seconds = seconds
        self.stamp = 1_700_000_000_000
        self.lists = {}
        for count in (64, 1024):
            self.lists[count] = folder / f"runs-{count}"
            self.lists[count].write_text("\n".join(record_seed.run_ids(count)) + "\n", encoding="ascii")

    def load(self, server, work, connections=64, runs=64):
        """The peer is given more time."""
        self.stamp += 100_000_000
        seconds = self.seconds if isinstance(server, Ours) else self.seconds + PEER_SECONDS_MORE
        used = server.cpu_seconds()
        seen = wrk(
            server.url,
            HERE / "record.lua",
            work,
            self.stamp,
            self.lists[runs],
            record_seed.EXPERIMENT,
            connections=connections,
            seconds=seconds,
        )
        cpu_ms = (server.cpu_seconds() - used) * 1000 / (seen.per_second * seconds)
        print(
            f"  {server.name}, {work}: {seen.per_second:,.1f}/s, p50 {seen.p50_ms:.2f} ms,"
            f" {cpu_ms:.3f} ms of a core each",
            file=sys.stderr,
        )
        if seen.refused:
            print(f"  {server.name}, {work}: refused {seen.refused} requests", file=sys.stderr)
            if isinstance(server, Ours):
                raise RuntimeError(f"{work}: refused")
        return seen


# The work, what it is called, its connections, how many runs it turns to, and the ratio to reach.
RATES = [
    ("log_metric", "log-metric, 64 connections", 64, 64, 100),
    ("log_batch_1", "log-batch of 1 point, 64 connections", 64, 64, 100),
    ("set_tag", "set-tag, 64 connections", 64, 64, 100),
    ("log_batch_1000", "log-batch of 1,000 points, 4 connections", 4, 1024, 20),
    ("create_run", "create run, 64 connections", 64, 64, 100),
    ("get_run", "get run, 64 connections", 64, 1024, 200),
    ("search", "search by metric, ordered, 100 of 10,000 runs, 2 connections", 2, 64, 300),
]
# Where the server's constant answer is the lower bar, this share of it is asked for.
OF_A_CONSTANT = 0.6
AGAINST_A_CONSTANT = ("create_run", "get_run")


def measure_rates(works, ours, peer, rounds):
    """Alternating rounds of every work on both servers."""
    rows = {work: Row(title, "requests/s", PEER, goal=goal) for work, title, _, _, goal in RATES}
    constant = []
    for _ in range(rounds):
        for work, _, connections, runs, _ in RATES:
            peer.pause(True)
            rows[work].ours.append(works.load(ours, work, connections, runs).per_second)
            if work == AGAINST_A_CONSTANT[-1]:
                constant.append(works.load(ours, "constant").per_second)
            peer.pause(False)
            peer.settle()
            rows[work].theirs.append(works.load(peer, work, connections, runs).per_second)
    for work in AGAINST_A_CONSTANT:
        bar = OF_A_CONSTANT * statistics.median(constant) / statistics.median(rows[work].theirs)
        rows[work].goal = round(min(rows[work].goal, bar), 1)
    print(f"  GET /health of ours: {statistics.median(constant):,.0f} requests/s", file=sys.stderr)
    return list(rows.values())


def read_history(url):
    """Seconds that the whole curve takes to arrive, page by page if it comes in pages."""
    host, port = url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=300)
    query = f"run_id={record_seed.run_ids(1)[0]}&metric_key={record_seed.CURVE}"
    path = f"/api/2.0/mlflow/metrics/get-history?{query}"
    token, points, took = "", 0, 0.0
    while True:
        started = time.monotonic()
        connection.request("GET", path + (f"&page_token={token}" if token else ""))
        body = connection.getresponse().read()
        took += time.monotonic() - started
        answer = json.loads(body)
        points += len(answer["metrics"])
        token = answer.get("next_page_token")
        if not token:
            break
    if points != CURVE_POINTS:
        raise RuntimeError(f"a history of {points} points instead of {CURVE_POINTS}")
    return took * 1000


def measure_history(ours, peer, rounds):
    row = Row("history of 100,000 points", "ms", PEER, goal=50, more_is_better=False)
    for _ in range(rounds):
        peer.pause(True)
        row.ours.append(statistics.median(read_history(ours.url) for _ in range(5)))
        peer.pause(False)
        peer.settle()
        row.theirs.append(read_history(peer.url))
        if sum(row.theirs) > HISTORY_MS_MAX:
            break
    return row


def at_most(work, unit, value, limit):
    """A row of ours alone, against what it may cost."""
    row = Row(work, unit, "allowed", goal=1, more_is_better=False)
    row.ours, row.theirs = [value], [limit]
    return row


def measure_empty(program, folder):
    ours = Ours(program, folder / "empty")
    ours.start()
    try:
        time.sleep(1)
        return ours.megabytes()
    finally:
        ours.stop()


def post(connection, path, body):
    """(status, body) of a POST to MLflow's API."""
    connection.request("POST", API + path, json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    return reply.status, reply.read()


HOSTILE_FILTERS = {
    "a value of 100 kB": "params.a = '" + "x" * 100_000 + "'",
    "100,000 brackets": "(" * 100_000,
    "60,000 brackets": "(" * 60_000,
    "5,000 terms": " AND ".join(["metrics.a > 1"] * 5_000),
    "5,000 short terms": " OR ".join(["a=1"] * 5_000),
    "501 quotes": "params.a = '" + "'" * 500,
    "501 backquotes": "`" * 501,
    "501 double quotes": '"' * 501,
}


def measure_hostile(ours):
    """The slowest refusal, in ms; each filter five times."""
    worst = 0
    with contextlib.closing(ours.connect()) as connection:
        for name, text in HOSTILE_FILTERS.items():
            for _ in range(5):
                started = time.monotonic()
                status, _ = post(connection, "runs/search", {"experiment_ids": ["1"], "filter": text})
                worst = max(worst, (time.monotonic() - started) * 1000)
                if status != 400:
                    raise RuntimeError(f"a filter of {name} was answered {status}")
    return worst


def measure_artifact(program, folder, size):
    """The most memory, in MB, that a server ever had which took a file in and gave it out again."""
    ours = Ours(program, folder / "artifact")
    ours.start()
    path = "/api/2.0/mlflow-artifacts/artifacts/large"
    source = folder / "large"
    with source.open("wb") as file:
        file.truncate(size)
    try:
        with contextlib.closing(ours.connect()) as connection, source.open("rb") as file:
            connection.request("PUT", path, file, {"Content-Length": str(size)})
            put = connection.getresponse()
            put.read()
            connection.request("GET", path)
            reply = connection.getresponse()
            received = 0
            while part := reply.read(1 << 20):
                received += len(part)
        if put.status != 200 or reply.status != 200 or received != size:
            raise RuntimeError(f"{received} bytes of a file of {size} came back")
        return memory(ours.process.pid, "VmHWM")
    finally:
        ours.stop()
        source.unlink()


def measure_growth(program, folder, works, counts):
    """The same works on ever more runs. Returns rows, and the greatest home's memory and start."""
    rows, first = [], {}
    for runs in counts:
        ours = Ours(program, folder / f"home-{runs}")
        ours.seed(runs, GREAT_POINTS)
        ours.stop()
        try:
            starts = []
            for _ in range(STARTS):
                starts.append(ours.start())
                start_cpu_s = ours.cpu_seconds()
                ours.stop()
            ours.start()
            # What seeding wrote (800 MB at the most runs) is on the disk before anything waits for an fsync.
            os.sync()
            seen = {work: works.load(ours, work) for work in ("log_metric", "create_run", "get_run")}
            seen["search"] = works.load(ours, "search", connections=1)
            megabytes = ours.megabytes()
        finally:
            ours.stop()
        first = first or seen
        for work, load in seen.items():
            row = Row(f"{work} at {runs:,} runs", "ms, p50", f"at {counts[0]:,} runs", more_is_better=False)
            row.ours, row.theirs = [load.p50_ms], [first[work].p50_ms]
            rows.append(row)
    points = counts[-1] * GREAT_POINTS
    name = f"with {points:,} points in {counts[-1]:,} runs"
    rows.append(at_most(f"search {name}, p50", "ms", seen["search"].p50_ms, 10))
    rows.append(at_most(f"memory {name}", "MB", megabytes, 250))
    rows.append(at_most(f"start {name}, the best of {STARTS}", "s", min(starts), 1))
    print(f"  a start {name} costs {start_cpu_s:.2f} s of one core", file=sys.stderr)
    return rows


def run(program, rounds, quick=False):
    seconds = 1 if quick else 3
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        works = Works(folder, seconds)
        empty = measure_empty(program, folder)
        ours, peer = Ours(program, folder / "home"), Peer(folder)
        try:
            peer.seed(RUNS, POINTS, CURVE_POINTS)
            peer_megabytes = peer.megabytes()
            peer.pause(True)
            ours.seed(RUNS, POINTS, CURVE_POINTS)
            peer.pause(False)
            print(f"  {PEER}: {peer.durability()}; ours: WAL, FULL, answered after fsync", file=sys.stderr)
            rows = measure_rates(works, ours, peer, min(rounds, 2))
            rows.append(measure_history(ours, peer, rounds))
            hostile = measure_hostile(ours)
        finally:
            ours.stop()
            peer.stop()
        memory_row = Row("memory, nothing logged yet", "MB", PEER, more_is_better=False)
        memory_row.ours, memory_row.theirs = [empty], [peer_megabytes]
        rows += [memory_row, at_most("memory of an empty home", "MB", empty, 40)]
        hostile_work = f"a hostile filter at {RUNS:,} runs, the worst of {len(HOSTILE_FILTERS)}"
        rows.append(at_most(hostile_work, "ms", hostile, 50))
        size = ARTIFACT_BYTES // 10 if quick else ARTIFACT_BYTES
        artifact = measure_artifact(program, folder, size)
        rows.append(
            at_most(f"most memory while a file of {size / 1e6:,.0f} MB came and went", "MB", artifact, 100)
        )
        rows += measure_growth(
            program, folder, works, [1_000, 10_000] if quick else [1_000, 10_000, GREAT_RUNS]
        )
    return rows
