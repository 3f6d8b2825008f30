"""Care of the record under fire: killed gc, gc and backup while clients write, leases of silent runs."""

import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

SEED = int(os.environ.get("TRIMTAB_SEED", "1"))


class Broken(OSError):
    """A promise that did not hold."""


def demand(condition, words):
    if not condition:
        raise Broken(words)


def run(program, words, folder, expect=0):
    done = subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    demand(done.returncode == expect, f"{words}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def demand_whole(program, folder, home):
    run(program, ["fsck", "--full", "--home", home], folder)


@contextlib.contextmanager
def serving(program, folder, home, *words):
    server = subprocess.Popen(
        [program, "serve", "--home", home, "--port", "0", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield int(server.stdout.readline().rsplit(":", 1)[1])
    finally:
        server.terminate()
        demand(server.wait(timeout=60) == 0, "the server did not end well")
        server.stdout.close()


class Client:
    """One connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method, path, body=None):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        self.connection.request(method, path, data, {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        text = reply.read()
        demand(reply.status == 200, f"{method} {path}: {reply.status} {text[:300]}")
        return json.loads(text) if text else {}

    def post(self, path, body):
        return self.ask("POST", "/api/2.0/mlflow" + path, body)

    def make_run(self, number, experiment="0", tags=()):
        run_id = self.post(
            "/runs/create", {"experiment_id": experiment, "start_time": number, "tags": list(tags)}
        )["run"]["info"]["run_id"]
        self.post(
            "/runs/log-metric", {"run_id": run_id, "key": "loss", "value": number, "timestamp": 1, "step": 1}
        )
        return run_id

    def put_file(self, run_id, name, content):
        self.ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/{name}", content)

    def get_file(self, run_id, name):
        path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/{name}"
        self.connection.request("GET", path)
        reply = self.connection.getresponse()
        content = reply.read()
        demand(reply.status == 200, f"GET {path}: {reply.status}")
        return content

    def runs(self):
        found = self.post(
            "/runs/search", {"experiment_ids": ["0"], "run_view_type": "ALL", "max_results": 50000}
        )
        return {run["info"]["run_id"] for run in found.get("runs", [])}


def blob_bytes(folder, home):
    return sum(
        file.stat().st_size for file in (pathlib.Path(folder) / home / "blobs").rglob("*") if file.is_file()
    )


def make_old(folder, home):
    """As if its files had been put long ago: a server's gc waits for those that were put a moment ago."""
    for file in (pathlib.Path(folder) / home / "blobs").rglob("*"):
        if file.is_file():
            os.utime(file, (1, 1))


def fill(port, living, deleted):
    """Runs with a file each; of the deleted ones every other shares its file with a living one."""
    client = Client(port)
    kept, gone = {}, []
    for number in range(living):
        run_id = client.make_run(number)
        kept[run_id] = f"living {number}".encode() * 2_000
        client.put_file(run_id, "a.bin", kept[run_id])
    contents = list(kept.values())
    for number in range(deleted):
        run_id = client.make_run(number)
        shared = contents[number % living] if number % 2 else f"deleted {number}".encode() * 2_000
        client.put_file(run_id, "a.bin", shared)
        client.post("/runs/delete", {"run_id": run_id})
        gone.append(run_id)
    return kept, gone


def demand_kept(program, folder, home, kept, gone):
    demand_whole(program, folder, home)
    with serving(program, folder, home) as port:
        client = Client(port)
        found = client.runs()
        demand(set(kept) <= found, "gc took living runs")
        demand(not set(gone) & found, "deleted runs are still there")
        for run_id, content in kept.items():
            demand(client.get_file(run_id, "a.bin") == content, f"the file of {run_id} has changed")


def test_gc_is_killed(program):
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        with serving(program, folder, "home") as port:
            kept, gone = fill(port, 20, 300)
        before = blob_bytes(folder, "home")
        said = run(program, ["gc", "--home", "home", "--older-than", "0s", "--dry-run"], folder)
        demand("Would remove for good: 300 runs with 300 metric points." in said, said)
        demand(blob_bytes(folder, "home") == before, "a dry run removed something")
        for _ in range(15):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process = subprocess.Popen(
                    [program, "gc", "--home", "home", "--older-than", "0s"],
                    cwd=folder,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                process.wait(timeout=chance.uniform(0.005, 0.15))
            process.send_signal(signal.SIGKILL)
            process.wait()
            demand_whole(program, folder, "home")
        run(program, ["gc", "--home", "home", "--older-than", "0s"], folder)
        demand(blob_bytes(folder, "home") < before, "gc gave nothing back")
        demand_kept(program, folder, "home", kept, gone)


def writers(port, count, stop, work):
    """Threads that write until `stop`; what went wrong in any of them."""
    problems = []

    def write(number):
        try:
            client = Client(port)
            while not stop.is_set():
                work(client, number)
        except (OSError, http.client.HTTPException) as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads, problems


def test_gc_while_clients_write(program):
    with tempfile.TemporaryDirectory() as folder:
        with serving(program, folder, "home") as port:
            kept, gone = fill(port, 20, 200)
            make_old(folder, "home")
            before = blob_bytes(folder, "home")
            lock = threading.Lock()

            def work(client, number):
                run_id = client.make_run(number)
                # Half of them bring a content that gc is about to remove.
                content = f"deleted {2 * number}".encode() * 2_000 if number % 2 else os.urandom(2_000)
                client.put_file(run_id, "a.bin", content)
                with lock:
                    kept[run_id] = content

            stop = threading.Event()
            threads, problems = writers(port, 16, stop, work)
            for _ in range(5):
                said = json.loads(
                    run(program, ["gc", "--home", "home", "--older-than", "0s", "--json"], folder)
                )
            stop.set()
            for thread in threads:
                thread.join()
            demand(not problems, f"a request failed while gc ran: {problems}")
            demand(said["runs"] == 0, "the first gc left runs")
            again = {run_id for run_id in gone if run_id in Client(port).runs()}
            demand(not again, "deleted runs are still shown")
        deleted = {f"deleted {number}".encode() * 2_000 for number in range(0, 200, 2)} - set(kept.values())
        demand(len(deleted) > 50 and before > 0, "the test itself is wrong")
        demand_kept(program, folder, "home", kept, gone)


def test_backup_while_64_clients_write(program):
    with tempfile.TemporaryDirectory() as folder:
        acknowledged = []
        with serving(program, folder, "home") as port:
            kept, gone = fill(port, 10, 10)

            def work(client, number):
                run_id = client.make_run(number)
                acknowledged.append(run_id)
                client.put_file(run_id, "a.bin", os.urandom(500))

            stop = threading.Event()
            threads, problems = writers(port, 64, stop, work)
            time.sleep(1)
            promised = list(acknowledged)
            said = json.loads(run(program, ["backup", "saved", "--home", "home", "--json"], folder))
            stop.set()
            for thread in threads:
                thread.join()
            demand(not problems, f"a request failed while the backup was made: {problems}")
            demand(said["bytes"] > 0 and said["blobs"] >= 10, f"{said}")
            refused = run(program, ["backup", "saved", "--home", "home"], folder, expect=2)
            demand(refused == "", refused)
        shutil.rmtree(pathlib.Path(folder) / "home")  # The disk is lost.
        run(program, ["restore", "saved", "--home", "again"], folder)
        run(program, ["restore", "saved", "--home", "again"], folder, expect=2)
        demand_whole(program, folder, "again")
        with serving(program, folder, "again") as port:
            found = Client(port).runs()
            missing = set(promised) - found
            demand(not missing, f"{len(missing)} of {len(promised)} acknowledged runs are not in the backup")
            for run_id, content in kept.items():
                demand(Client(port).get_file(run_id, "a.bin") == content, "a file is not as it was")
            demand(set(gone) <= found, "deleted runs are part of a backup")
        # A blob that rots is found before the home gets its name.
        damaged = next(file for file in (pathlib.Path(folder) / "saved/blobs").rglob("*") if file.is_file())
        damaged.chmod(0o600)
        damaged.write_bytes(b"rotten")
        run(program, ["restore", "saved", "--home", "third"], folder, expect=3)
        demand(not (pathlib.Path(folder) / "third").exists(), "a damaged home was put in place")
        # A backup that was interrupted is none.
        (pathlib.Path(folder) / "saved/backup.json").unlink()
        run(program, ["restore", "saved", "--home", "third"], folder, expect=2)


def test_silent_runs_fail(program):
    with tempfile.TemporaryDirectory() as folder:
        with serving(program, folder, "home", "--clock", "manual", "--as-of", "2020-01-01") as port:
            client = Client(port)
            leased = [{"key": "trimtab.lease", "value": "10m"}]
            silent, alive = client.make_run(1, tags=leased), client.make_run(2, tags=leased)
            plain = client.make_run(3)
            client.ask("POST", "/api/v1/clock", {"to": "2020-01-01T00:09:00Z"})
            client.ask("POST", f"/api/v1/runs/{alive}/heartbeat", {})
            client.ask("POST", "/api/v1/clock", {"to": "2020-01-01T00:11:00Z"})
            began = time.monotonic()
            while client.post("/runs/search", {"experiment_ids": ["0"], "filter": "status = 'FAILED'"}) == {}:
                demand(time.monotonic() - began < 60, "a silent run is RUNNING for a minute after its lease")
                time.sleep(0.2)
            states = {
                run_id: client.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}")["run"]["info"][
                    "status"
                ]
                for run_id in (silent, alive, plain)
            }
            demand(list(states.values()) == ["FAILED", "RUNNING", "RUNNING"], f"{states}")
        demand_whole(program, folder, "home")


TESTS = [
    test_gc_is_killed,
    test_gc_while_clients_write,
    test_backup_while_64_clients_write,
    test_silent_runs_fail,
]
