"""Healing under fire: plans that wait for approval, rollouts killed in every phase, and who is told of it."""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import random
import re
import signal
import socketserver
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from demands import Failed, demand, demand_whole, run

SEED = int(os.environ.get("TRIMTAB_SEED", "1"))
OLD_ROWS, ROWS = 40, 300
FIRST, RETRAINED = 3, 11  # Days of January 2020: the first that is answered, and the one that is acted on.
PROJECT = """project: world
as_of: 2020-01-03
sources:
  events: {read: data/*.csv, time: at}
tables:
  rows: {from: events}
models:
  m:
    from: rows
    task: binary
    target: y = 1
    label_delay: 1h
    features: [x]
    split: {by: time, test: 20%}
    learner: {lightgbm: {rounds: 20, leaves: 4, min_data_in_leaf: 5}}
    gates: [log_loss <= 5]
endpoints:
  e:
    model: m
    batch: 1d
    HEAL
"""


def rows_of(day, count, flipped):
    """Rows of a day, of which y follows x, or its contrary once the world has changed."""
    luck = random.Random(day)
    rows = []
    for number in range(count):
        x = luck.random()
        y = int((x > 0.5) != flipped)
        if luck.random() < 0.1:
            y = 1 - y
        at = f"2020-01-{day:02d}T{number // 60:02d}:{number % 60:02d}:00Z"
        rows.append({"prediction_id": f"{day}-{number}", "at": at, "x": x, "y": y})
    return rows


def write_day(folder, day, rows):
    lines = ["at,x,y", *(f"{row['at']},{row['x']},{row['y']}" for row in rows)]
    (folder / "data" / f"{day:02d}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


class World:
    """A project in a folder whose world has changed since it was applied, and a server that can be killed."""

    def __init__(self, program, folder, heal, environment=None):
        self.program, self.folder = program, folder
        self.home = folder / ".trimtab"
        self.environment = {**os.environ, **(environment or {})}
        self.server = self.address = None
        self.now = f"2020-01-{FIRST:02d}T00:00:00Z"
        (folder / "data").mkdir()
        (folder / "trimtab.yaml").write_text(PROJECT.replace("HEAL", heal), encoding="utf-8")
        for day in (1, 2):
            write_day(folder, day, rows_of(day, OLD_ROWS, False))
        demand(run(program, ["apply"], folder).returncode == 0, "apply failed")

    def start(self):
        words = ["serve", "--port", "0", "--clock", "manual", "--as-of", self.now, "--policy", "every:8d"]
        self.server = subprocess.Popen(
            [self.program, *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self.environment,
            start_new_session=True,
        )
        line = self.server.stdout.readline()
        demand("http" in line, "the server did not start: " + line)
        self.address = "http://127.0.0.1:" + line.rsplit(":", 1)[1].strip()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()
        self.server.stdout.close()

    def stop(self):
        self.server.terminate()
        demand(self.server.wait(timeout=60) == 0, f"the server ended with {self.server.returncode}")
        self.server.stdout.close()

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=600) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as wrong:
            raise Failed(f"{path}: {wrong.code} {wrong.read().decode()}") from wrong

    def move_clock(self, to):
        self.now = to
        self.ask("/api/v1/clock", {"to": to})

    def move_clock_and_kill(self, to, after):
        """The clock is moved, and while that is under way, the server is killed and started again."""
        self.now = to

        def move():
            with contextlib.suppress(OSError, Failed, ValueError):
                self.ask("/api/v1/clock", {"to": to})

        mover = threading.Thread(target=move)
        mover.start()
        time.sleep(after)
        self.kill()
        mover.join()
        self.start()

    def live(self, day):
        """What happened that day is asked, told and written down; versions that answered."""
        self.move_clock(f"2020-01-{day:02d}T12:00:00Z")
        rows = rows_of(day, ROWS, True)
        asked = [{name: row[name] for name in ("prediction_id", "at", "x")} for row in rows]
        reply = self.ask("/endpoints/e/invocations", {"dataframe_records": asked})
        labels = [{"id": row["prediction_id"], "label": row["y"]} for row in rows]
        self.ask("/api/v1/endpoints/e/labels", {"labels": labels})
        write_day(self.folder, day, rows)
        time.sleep(0.5)  # The log is durable after 200 ms.
        return [str(version) for version in reply.get("model_versions") or [reply["model_version"]]]

    def live_until_retrained(self):
        """Days until the policy has said its word; the training is due an hour later."""
        for day in range(FIRST, RETRAINED + 1):
            self.live(day)
        self.move_clock(f"2020-01-{RETRAINED + 1:02d}T00:30:00Z")

    def endpoint(self):
        return self.ask("/api/v1/endpoints/e")

    def incident(self, number=1):
        return self.ask(f"/api/v1/incidents/{number}")

    def audited(self, action):
        with contextlib.closing(sqlite3.connect(self.home / "meta.db")) as record:
            rows = record.execute("SELECT detail FROM audit WHERE action = ? ORDER BY sequence", (action,))
            return [json.loads(row[0]) for row in rows]


@contextlib.contextmanager
def living(program, heal, environment=None, prepare=None):
    with tempfile.TemporaryDirectory() as name:
        world = World(program, pathlib.Path(name), heal, environment)
        if prepare is not None:
            prepare(world)
        world.start()
        try:
            yield world
            world.stop()
            demand_whole(program, world.folder, world.home)
        finally:
            if world.server.poll() is None:
                world.kill()


def test_rollout_killed_in_every_phase(program):
    """Journaled, training, shadow, both steps of the canary, promotion: a kill in each changes nothing."""
    luck = random.Random(SEED)
    heal = (
        "rollout: {shadow: 1, canary: [10%, 50%]}\n"
        "    heal: {mode: auto, poison_budget: 0, retrains: 9 per week}"
    )
    with living(program, heal) as world:
        world.live_until_retrained()
        kinds = [event["kind"] for event in world.incident()["events"]]
        demand(kinds == ["detected", "verdict", "treatment"], str(kinds))
        world.kill()
        world.start()
        for _ in range(3):  # While it trains, judges and registers.
            world.move_clock_and_kill(f"2020-01-{RETRAINED + 1:02d}T06:00:00Z", luck.uniform(0.02, 0.8))
        world.move_clock(world.now)
        found = world.endpoint()
        demand((found["champion"], found["challenger"]) == (1, 2), f"after the training: {found}")
        demand(found["challenger_share"] == 0, "it should score along only")
        day = RETRAINED + 1
        for share in (0.1, 0.5, None):
            answered = set(world.live(day))
            demand("1" in answered, f"the champion should answer: {answered}")
            day += 1
            for _ in range(2):
                world.move_clock_and_kill(f"2020-01-{day:02d}T06:00:00Z", luck.uniform(0.0, 0.15))
            world.move_clock(world.now)
            found = world.endpoint()
            if share is not None:
                wanted = (1, 2, share)
                got = (found["champion"], found["challenger"], found["challenger_share"])
                demand(got == wanted, f"day {day}: {got}, not {wanted}")
        demand(found["champion"] == 2 and found["challenger"] is None, str(found))
        demand(set(world.live(day)) == {"2"}, "the promoted version should answer everything")
        events = world.incident()["events"]
        demand(events[-1]["kind"] == "closed", str(events[-1]))
        outcomes = [event["detail"]["result"] for event in events if event["kind"] == "outcome"]
        demand(outcomes == ["promoted"], str(outcomes))
        promoted = [detail["to"] for detail in world.audited("endpoint.promote")]
        demand(promoted == [1, 2], f"promotions: {promoted}")
        shares = [detail["to"] for detail in world.audited("endpoint.canary")]
        demand(shares == [0.1, 0.5], f"shares: {shares}")


class Hook(http.server.BaseHTTPRequestHandler):
    """Takes every second delivery only, so that each comes at least once and some come twice."""

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        signed = f"{self.headers['X-MLflow-Delivery-Id']}.{self.headers['X-MLflow-Timestamp']}.{body}"
        digest = hmac.new(b"key", signed.encode(), hashlib.sha256).digest()
        is_right = self.headers["X-MLflow-Signature"] == "v1," + base64.b64encode(digest).decode()
        self.server.seen += 1
        takes = self.server.seen % 2 == 0
        if takes:
            self.server.taken.append((json.loads(body), is_right))
        self.send_response(200 if takes else 503)
        self.end_headers()

    def log_message(self, *words):
        pass


class MailSink(socketserver.StreamRequestHandler):
    """As much of SMTP as one message takes."""

    def handle(self):
        self.wfile.write(b"220 sink\r\n")
        lines, in_data = [], False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if in_data:
                if line == ".":
                    in_data = False
                    self.server.taken.append("\n".join(lines))
                    self.wfile.write(b"250 taken\r\n")
                lines.append(line)
                continue
            lines.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "DATA":
                in_data = True
                self.wfile.write(b"354 go on\r\n")
            elif verb == "EHLO":
                self.wfile.write(b"250-sink\r\n250 8BITMIME\r\n")
            else:
                self.wfile.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
            if verb == "QUIT":
                return


@contextlib.contextmanager
def receiving(server):
    server.taken, server.seen = [], 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def await_count(taken, count):
    until = time.monotonic() + 60
    while len(taken) < count and time.monotonic() < until:
        time.sleep(0.1)
    demand(len(taken) >= count, f"{len(taken)} deliveries of {count}")


def test_plans_wait_for_approval(program):
    """A plan is approved, the server killed at once: what was approved is done, and everybody is told."""
    hooks = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    mails = socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailSink)
    notify = (
        f"{{webhook: 'http://127.0.0.1:{hooks.server_port}/hook', secret_env: HOOK_KEY, "
        f"email: ops@example.com, smtp: 'localhost:{mails.server_address[1]}'}}"
    )
    heal = f"heal: {{mode: suggest, poison_budget: 0, retrains: 9 per week, notify: {notify}}}"

    def allow(world):
        (world.home / "egress").write_text("127.0.0.1\nlocalhost\n", encoding="utf-8")

    with (
        receiving(hooks),
        receiving(mails),
        living(program, heal, {"HOOK_KEY": "key"}, allow) as world,
    ):
        world.live_until_retrained()
        demand(world.incident()["state"] == "waiting", str(world.incident()))
        shown = run(program, ["incidents", "1"], world.folder).stdout
        plan = re.search(r"(?m)  plan (\d+)$", shown)
        demand(plan is not None and "`trimtab approve 1`" in shown, shown)
        world.move_clock(f"2020-01-{RETRAINED + 1:02d}T06:00:00Z")
        demand(world.endpoint()["champion"] == 1, "it acted without approval")
        stale = run(program, ["approve", "1", "--plan", "1"], world.folder)
        demand("plan 1 of incident 1 does not wait any more" in stale.stderr, stale.stderr)
        done = run(program, ["approve", "1", "--plan", plan[1], "--reason", "seen, too"], world.folder)
        demand("retrain is approved" in done.stdout, done.stdout + done.stderr)
        world.kill()
        world.start()
        world.move_clock_and_kill(f"2020-01-{RETRAINED + 1:02d}T09:00:00Z", 0.3)
        world.move_clock(world.now)
        demand(world.endpoint()["champion"] == 2, str(world.endpoint()))
        approved = world.audited("incident.approve")
        demand([a["why"] for a in approved] == ["seen, too"], str(approved))
        await_count(hooks.taken, 4)
        await_count(mails.taken, 4)
        names = [f"{body['entity']}.{body['action']}" for body, _ in hooks.taken]
        wanted = ["incident.opened", "incident.waiting", "incident.promoted", "incident.closed"]
        demand(sorted(set(names)) == sorted(wanted), str(names))
        demand(all(is_right for _, is_right in hooks.taken), "a signature is wrong")
        demand("RCPT TO:<ops@example.com>" in mails.taken[0], mails.taken[0])
        subjects = re.findall(r"Subject: (.*)", "\n".join(mails.taken))
        demand(any("e: incident.waiting" in subject for subject in subjects), str(subjects))


def test_rollback_while_training(program):
    """Whoever takes a version back while the loop trains is served at once, and is not overruled by it."""
    heal = "heal: {mode: auto, poison_budget: 0, retrains: 9 per week}"
    with living(program, heal) as world:
        world.live_until_retrained()
        world.move_clock(f"2020-01-{RETRAINED + 1:02d}T06:00:00Z")
        demand(world.endpoint()["champion"] == 2, str(world.endpoint()))
        text = (world.folder / "trimtab.yaml").read_text(encoding="utf-8")
        world.stop()
        (world.folder / "trimtab.yaml").write_text(
            text.replace("rounds: 20", "rounds: 20000"), encoding="utf-8"
        )
        world.start()
        for day in range(RETRAINED + 1, RETRAINED + 9):
            world.live(day)
        problems = []

        def heal_on():
            try:
                world.move_clock(f"2020-01-{RETRAINED + 9:02d}T06:00:00Z")
            except (Failed, OSError) as problem:
                problems.append(problem)

        healing = threading.Thread(target=heal_on)
        healing.start()
        until = time.monotonic() + 60
        while world.endpoint()["health"] != "healing" and time.monotonic() < until:
            time.sleep(0.02)
        is_training = healing.is_alive()
        done = run(program, ["rollback", "e", "--to", "1"], world.folder)
        shown = run(program, ["profile", "rows"], world.folder)
        was_training = healing.is_alive()
        healing.join()
        demand(is_training and was_training, "nothing was training meanwhile")
        demand("version 1 serves now in place of version 2" in done.stdout, done.stdout + done.stderr)
        demand("rows" in shown.stdout, shown.stdout + shown.stderr)
        demand(not problems, str(problems))
        demand(world.endpoint()["champion"] == 1, str(world.endpoint()))
        demand(set(world.live(RETRAINED + 9)) == {"1"}, "the version that was taken back to should answer")


TESTS = [test_rollout_killed_in_every_phase, test_plans_wait_for_approval, test_rollback_while_training]
