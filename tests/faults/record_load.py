"""Clients that log without pause and remember what was acknowledged, and the look at what a server kept.

Each client writes to a run of its own. One request of its loop carries three metrics, a param and a tag of
the same number, so that a request that was kept by half shows.
"""

import hashlib
import http.client
import json
import random
import threading

API = "/api/2.0/mlflow/"
KEYS = ["a", "b", "c"]


class Refused(Exception):
    """An answer that is no success: its status."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body[:200]}")
        self.status, self.body = status, body


class Wire:
    """One connection; opened again after it broke."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def send(self, method, path, body=None):
        """The body of a 200. Raises Refused, or OSError/HTTPException when the server went away."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            self.connection.request(method, path, body, {"Content-Type": "application/json"})
            reply = self.connection.getresponse()
            data = reply.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if reply.status != 200:
            raise Refused(reply.status, data.decode("utf-8", "replace"))
        return data

    def post(self, path, body):
        return json.loads(self.send("POST", API + path, json.dumps(body)))

    def get(self, path):
        return json.loads(self.send("GET", API + path))

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Client:
    """What one client has sent and what was acknowledged of it, over all servers that it met."""

    def __init__(self, number):
        self.number = number
        self.run = None
        self.sent = self.kept = 0  # log-batch number 1, 2, 3, …: the last sent, the last acknowledged.
        self.points_sent = self.points_kept = 0  # log-metric, likewise.
        self.runs = []  # Further runs that were acknowledged.
        self.files = {}  # Path → SHA-256 of what was acknowledged.
        self.versions = 0  # Acknowledged model versions.
        self.alias = 0  # The version that the alias was last acknowledged to name.

    def model(self):
        return f"model-{self.number}"

    def step(self, wire):
        """One round: a batch, a point, and now and then something rarer."""
        if self.run is None:
            self.run = wire.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
            self.sent = self.kept = self.points_sent = self.points_kept = 0
        self.log_batch(wire)
        self.log_point(wire)
        if self.kept % 8 == self.number % 8:
            self.runs.append(wire.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"])
        if self.kept % 16 == self.number % 16:
            self.put_file(wire)
            self.register(wire)

    def log_batch(self, wire):
        self.sent += 1
        number = self.sent
        metrics = [{"key": key, "value": number, "timestamp": number, "step": number} for key in KEYS]
        wire.post(
            "runs/log-batch",
            {
                "run_id": self.run,
                "metrics": metrics,
                "params": [{"key": f"p{number % 50}", "value": str(number % 50)}],
                "tags": [{"key": "last", "value": str(number)}],
            },
        )
        self.kept = number

    def log_point(self, wire):
        self.points_sent += 1
        number = self.points_sent
        point = {"run_id": self.run, "key": "point", "value": number, "timestamp": number, "step": number}
        wire.post("runs/log-metric", point)
        self.points_kept = number

    def put_file(self, wire):
        data = random.Random(f"{self.run}/{self.kept}").randbytes(30_000)
        path = f"0/{self.run}/artifacts/f{self.kept}"
        wire.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", data)
        self.files[path] = hashlib.sha256(data).hexdigest()

    def register(self, wire):
        if self.versions == 0:
            try:
                wire.post("registered-models/create", {"name": self.model()})
            except Refused as refused:
                if "RESOURCE_ALREADY_EXISTS" not in refused.body:
                    raise
        made = wire.post("model-versions/create", {"name": self.model(), "source": "s3://bucket/model"})
        self.versions = int(made["model_version"]["version"])
        wanted = {"name": self.model(), "alias": "best", "version": str(self.versions)}
        wire.post("registered-models/alias", wanted)
        self.alias = self.versions

    def check(self, wire):
        """Sentences about what is missing, half there, or there without having been sent."""
        if self.run is None:
            return
        steps = {key: self.steps_of(wire, key) for key in [*KEYS, "point"]}
        last = max(steps["a"], default=0)
        if not (steps["a"] == steps["b"] == steps["c"] == list(range(1, last + 1))):
            yield f"a batch is half there: {[(key, len(found)) for key, found in steps.items()]}"
        if not self.kept <= last <= self.sent:
            yield f"batches: {self.kept} acknowledged, {self.sent} sent, {last} kept"
        if steps["point"] != list(range(1, len(steps["point"]) + 1)):
            yield "points are missing in the middle"
        points = len(steps["point"])
        if not self.points_kept <= points <= self.points_sent:
            yield f"points: {self.points_kept} acknowledged, {self.points_sent} sent, {points} kept"
        data = wire.get(f"runs/get?run_id={self.run}")["run"]["data"]
        tags = {tag["key"]: tag["value"] for tag in data.get("tags", [])}
        if int(tags.get("last", 0)) != last or len(data.get("params", [])) != min(last, 50):
            yield f"a batch is half there: {last} points, {len(data.get('params', []))} params, {tags}"
        yield from self.check_rest(wire)

    def check_rest(self, wire):
        for run in self.runs[-20:]:
            wire.get(f"runs/get?run_id={run}")
        for path, expected in list(self.files.items())[-3:]:
            found = wire.send("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}")
            if hashlib.sha256(found).hexdigest() != expected:
                yield f"{path} is another file"
        if self.alias:
            named = wire.get(f"registered-models/alias?name={self.model()}&alias=best")["model_version"]
            if int(named["version"]) < self.alias:
                yield f"the alias names version {named['version']} after {self.alias}"

    def steps_of(self, wire, key):
        found = wire.get(f"metrics/get-history?run_id={self.run}&metric_key={key}").get("metrics", [])
        return [point["step"] for point in found]

    def start_anew(self):
        """Another run from now on, so that a long campaign does not look at ever longer histories."""
        self.run = None
        self.runs.clear()
        self.files.clear()


class Load:
    """Clients at work until the server goes away or stop() is called."""

    def __init__(self, port, clients, on_refusal=None):
        self.stopping = threading.Event()
        self.refusals = []
        self.refused = set()  # The clients that were refused.
        self.on_refusal = on_refusal
        self.threads = [threading.Thread(target=self.work, args=(port, client)) for client in clients]
        for thread in self.threads:
            thread.start()

    def work(self, port, client):
        wire = Wire(port)
        while not self.stopping.is_set():
            try:
                client.step(wire)
            except Refused as refused:
                self.refusals.append(refused)
                self.refused.add(client.number)
                if self.on_refusal is None:
                    return
            except (OSError, http.client.HTTPException):
                return
        wire.close()

    def stop(self):
        self.stopping.set()
        self.join()

    def join(self):
        for thread in self.threads:
            thread.join()
