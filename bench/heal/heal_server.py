"""A project of one stream in a folder of its own, and the real program serving it on a manual clock."""

import contextlib
import csv
import http.client
import json
import pathlib
import subprocess
import time

import heal_stream
import worlds

MODEL = "m"
PATIENCE_S = 120  # Of a request; a training may run inside the clock's move.
STORAGE_FULL = 507
REQUEST_ROWS_MAX = 2000  # An endpoint takes 2,048 at once.
BAD_VERSIONS = {
    1: {"target": "y = 0"},  # Right where it should be wrong.
    2: {"features": "[x7, x8, x9]"},  # What tells nothing.
    3: {"rounds": 2},  # Hardly trained.
}


class Unanswered(Exception):
    """The server was not there, or said no."""


def project_text(label_delay, budget, mode, variant=None, contract=False):
    """`contract`: requests that are not what they were are repaired at the door."""
    variant = variant or {}
    gates = "" if variant else "    gates: [auc >= 0.55, log_loss <= champion + 0.002]\n"
    learner = {**worlds.LEARNER, "rounds": variant.get("rounds", worlds.LEARNER["rounds"])}
    words = ", ".join(f"{key}: {value}" for key, value in learner.items())
    features = variant.get("features", "[" + ", ".join(worlds.COLUMNS) + "]")
    window, test = "", "4d"
    if "since" in variant:
        since = heal_stream.day_of(variant["since"]).strftime("%Y-%m-%d")
        window, test = f", clean: [filter: \"at >= TIMESTAMP '{since}'\"]", "1d"
    return (
        "project: healbench\n"
        'sources:\n  rows: {read: rows/*.csv, nulls: [""], time: at}\n'
        f"tables:\n  shaped: {{from: rows{window}}}\n"
        f"models:\n  {MODEL}:\n    from: shaped\n    task: binary\n"
        f"    target: {variant.get('target', 'y = 1')}\n"
        f"    label_time: known_at\n    label_delay: {24 * label_delay + 2}h\n"
        f"    features: {features}\n    split: {{by: time, test: {test}}}\n"
        f"    learner: {{lightgbm: {{{words}}}}}\n{gates}"
        f"endpoints:\n  {MODEL}:\n    model: {MODEL}\n    batch: 1d\n"
        + ("    contract: repair\n" if contract else "")
        + f"    heal: {{mode: {mode}, retrains: 4 per week, poison_budget: {budget} batches}}\n"
    )


def write_rows(folder, batch, label_delay):
    """The day's file, whole or not at all."""
    known = heal_stream.day_of(min(heal_stream.known_at(batch, label_delay), max(batch.number + 1, 0)))
    if batch.number >= 0:
        known = heal_stream.day_of(heal_stream.known_at(batch, label_delay))
    columns = [batch.ids, batch.times, [heal_stream.time_text(known)] * len(batch.ids)]
    columns += [batch.sent[name] for name in worlds.COLUMNS] + [batch.given.tolist()]
    name = heal_stream.day_of(batch.number).strftime("%Y-%m-%d.csv")
    (folder / "rows").mkdir(exist_ok=True)
    with open(folder / "making.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "at", "known_at", *worlds.COLUMNS, "y"])
        writer.writerows(["" if cell is None else cell for cell in row] for row in zip(*columns, strict=True))
    (folder / "making.csv").rename(folder / "rows" / name)


def apply(program, folder, text, as_of=heal_stream.START):
    """Makes it so, in the server when one owns the home; whether a version came of it that serves."""
    (folder / "trimtab.yaml").write_text(text, encoding="utf-8")
    command = [program, "apply", str(folder), "--home", str(folder / "home")]
    command += ["--as-of", heal_stream.time_text(as_of)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def apply_or_die(program, folder, text):
    done = apply(program, folder, text)
    if done.returncode != 0:
        raise RuntimeError(f"apply ended with {done.returncode}: {done.stderr}")


def make_base(program, folder, stream, budget, mode="auto"):
    """The world on the first morning: history, the champion, and the versions of later bad pushes."""
    folder.mkdir(parents=True)
    for number in range(-heal_stream.HISTORY, 0):
        write_rows(folder, stream.batches[number], stream.label_delay)
    if any(fault.kind == "push" for fault in stream.faults):
        for variant in BAD_VERSIONS.values():
            apply_or_die(program, folder, project_text(stream.label_delay, budget, mode, variant))
    apply_or_die(program, folder, project_text(stream.label_delay, budget, mode))


class Server:
    """The program, started and asked. Ends only processes that it started."""

    def __init__(self, program, folder, policy, options=()):
        self.program, self.folder, self.policy, self.options = program, pathlib.Path(folder), policy, options
        self.now = heal_stream.time_text(heal_stream.START)
        self.starts = 0
        self.process = None
        self.connection = None
        self.log = open(self.folder / "server.log", "ab")
        self.start()

    def start(self):
        command = [
            self.program,
            "serve",
            str(self.folder),
            "--home",
            str(self.folder / "home"),
            "--port",
            "0",
        ]
        command += ["--clock", "manual", "--as-of", self.now, "--policy", self.policy, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("trimtab serves at"):
            tail = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")[-500:]
            raise Unanswered(f"the server did not start: {tail}")
        self.port = int(line.rsplit(":", 1)[1])
        self.connection = None
        self.starts += 1

    def ask(self, method, path, body=None):
        """(status, answer). Raises Unanswered when there is no answer at all."""
        token = self.folder / "home/token"
        headers = {"Content-Type": "application/json"}
        if token.exists():
            headers["Authorization"] = "Bearer " + token.read_text(encoding="utf-8").strip()
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
            try:
                text = None if body is None else json.dumps(body)
                self.connection.request(method, path, text, headers)
                reply = self.connection.getresponse()
                return reply.status, json.loads(reply.read() or b"null")
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.connection.close()
                self.connection = None
                if attempt == 2 or self.process.poll() is not None:
                    raise Unanswered(f"{path}: {error}") from error
        raise AssertionError

    def ask_with_room(self, method, path, body):
        """As ask(); where the server's disk is full, again until somebody has made room, as its hint says."""
        until = time.monotonic() + PATIENCE_S
        while True:
            status, answer = self.ask(method, path, body)
            if status != STORAGE_FULL or time.monotonic() > until:
                return status, answer
            time.sleep(0.2)

    def move_clock(self, to):
        status, answer = self.ask_with_room("POST", "/api/v1/clock", {"to": to})
        if status != 200:
            raise Unanswered(f"the clock: {answer}")
        self.now = to

    def predict(self, batch):
        """The answers and their version, or raises Unanswered."""
        names = ["prediction_id", "at", *worlds.COLUMNS]
        columns = [batch.ids, batch.times, *(batch.sent[name] for name in worlds.COLUMNS)]
        rows = [list(row) for row in zip(*columns, strict=True)]
        answers, version = [], None
        for begin in range(0, len(rows), REQUEST_ROWS_MAX):
            body = {"dataframe_split": {"columns": names, "data": rows[begin : begin + REQUEST_ROWS_MAX]}}
            status, answer = self.ask("POST", f"/endpoints/{MODEL}/invocations", body)
            if status != 200:
                raise Unanswered(f"{status}: {answer}")
            answers += answer["predictions"]
            version = version or answer["model_version"]
        return answers, version

    def post_labels(self, batch):
        labels = [{"id": i, "label": int(y)} for i, y in zip(batch.ids, batch.given, strict=True)]
        status, answer = self.ask_with_room("POST", f"/api/v1/endpoints/{MODEL}/labels", {"labels": labels})
        if status != 200:
            raise Unanswered(f"labels: {answer}")

    def push(self, version):
        """A person puts a version in service, as an MLflow client does; whether the server took it."""
        body = {"name": MODEL, "alias": "champion", "version": str(version)}
        status, _ = self.ask("POST", "/api/2.0/mlflow/registered-models/alias", body)
        return status == 200

    def put_in_service(self, version):
        """The same without any gate: what naive policies get, wherever the alias alone changes nothing."""
        status, answer = self.ask("GET", f"/api/v1/endpoints/{MODEL}")
        if status == 200 and str(answer["champion"]) == str(version):
            return
        self.ask("POST", f"/api/v1/endpoints/{MODEL}/rollback", {"to": version, "reason": "a push"})

    def incidents(self):
        return self.ask("GET", "/api/v1/incidents")[1]["incidents"]

    def is_gone(self):
        """Whether the process has ended; one that is just dying gets a moment."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1)
        return self.process.poll() is not None

    def start_again(self):
        self.process.stdout.close()
        self.start()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=60)
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()
        self.log.close()


def score_probe(program, folder, version, probe):
    """What a version answers on clean rows, by the program's own batch scoring."""
    file = folder / "probe.csv"
    if not file.exists():
        columns = probe.columns()
        with open(file, "w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["id", "at", "known_at", *worlds.COLUMNS, "y"])
            at = heal_stream.time_text(heal_stream.START)
            for row in zip(*(columns[name] for name in worlds.COLUMNS), strict=True):
                writer.writerow(["p", at, at, *row, 0])
    result = folder / "probe_scored.csv"
    command = [program, "score", f"{MODEL}@{version}", str(file), "--project", str(folder)]
    command += ["--home", str(folder / "home"), "-o", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"score ended with {done.returncode}: {done.stderr}")
    with open(result, encoding="utf-8", newline="") as scored:
        rows = list(csv.reader(scored))
    at = rows[0].index("prediction") if "prediction" in rows[0] else len(rows[0]) - 1
    return [float(row[at]) for row in rows[1:]]
