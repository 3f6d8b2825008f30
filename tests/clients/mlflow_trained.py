#!/usr/bin/env python3
"""MLflow's own client loads and serves a version that `trimtab apply` trained: the endpoint's own answers."""

import itertools
import json
import math
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

os.environ.update({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true"})

import mlflow  # noqa: E402  reads the environment when it is imported
import pandas  # noqa: E402

from journey import main  # noqa: E402

PROJECT = """
project: colours
as_of: 2020-01-21
sources:
  rows: {read: data/rows.csv, nulls: [""], time: at}
tables:
  seen: {from: rows}
models:
  bright:
    from: seen
    task: binary
    target: y
    features: [word, number, flag, hours: 'hour("at")']
    split: {by: time, test: 20%}
    learner: {lightgbm: {rounds: 15}}
    gates: [auc >= 0.1]
  plain:
    from: seen
    task: binary
    target: y
    features: [number]
    split: {by: time, test: 20%}
    learner: baseline
    gates: [auc >= 0.1]
endpoints:
  bright: {model: bright, batch: 1d}
retention: {runs: 30d, deleted: 10d}
"""
WORDS = ["red", "blue", "grün", "x y"]


def write_project(folder):
    """A text, a number with gaps, a flag and an hour decide about y."""
    chance = random.Random(3)
    lines = ["at,word,number,flag,y"]
    for i in range(1200):
        word, number = chance.choice(WORDS), round(chance.random() * 10, 3)
        y = int((word in WORDS[::2]) + number / 10 + chance.random() > 1.2)
        shown = number if chance.random() < 0.8 else ""
        flag = chance.choice(["true", "false"])
        lines.append(f"2020-01-{1 + i // 60:02d}T{i % 24:02d}:00:00Z,{word},{shown},{flag},{y}")
    (folder / "data").mkdir()
    (folder / "data/rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "trimtab.yaml").write_text(PROJECT, encoding="utf-8")


def ask(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read())["predictions"]


class TrainedHere(unittest.TestCase):
    program = "bin/trimtab"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        write_project(folder)
        subprocess.run([cls.program, "apply"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        cls.server = subprocess.Popen(
            [cls.program, "serve", "--port", "0", "--clock", "manual"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        cls.address = cls.server.stdout.readline().split()[-1]
        os.environ["MLFLOW_TRACKING_URI"] = cls.address
        mlflow.set_tracking_uri(cls.address)
        # Every level, a text that training did not know, and nothing at all.
        cells = itertools.product([*WORDS, "never", None], [None, 1.25, 9.0], [True, False])
        cls.rows = [
            {"at": "2020-01-25T05:00:00Z", "word": word, "number": number, "flag": flag}
            for word, number, flag in cells
        ]
        cls.expected = ask(cls.address + "/endpoints/bright/invocations", {"dataframe_records": cls.rows})

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        assert cls.server.wait(timeout=30) == 0
        cls.server.stdout.close()
        cls.folder.cleanup()

    def encoded(self, recipe):
        """The rows as MLmodel says that they are to be sent: a text is the position of its level."""
        levels = {feature["name"]: feature.get("levels") for feature in recipe["features"]}["word"]
        frame = pandas.DataFrame(self.rows).assign(hours=5)
        frame["word"] = [levels.index(word) if word in levels else math.nan for word in frame["word"]]
        return frame.drop(columns="at").astype(float)

    def recipe(self):
        return mlflow.artifacts.load_dict("models:/bright@champion/recipe.json")

    def test_the_champion_is_loaded_by_its_alias_and_predicts_the_same_bits(self):
        frame = self.encoded(self.recipe())
        model = mlflow.pyfunc.load_model("models:/bright@champion")
        self.assertEqual(list(model.predict(frame)), self.expected)
        self.assertGreater(len(set(self.expected)), 5)
        # Columns are found by their names, as the signature has them.
        self.assertEqual(model.metadata.get_input_schema().input_names(), ["word", "number", "flag", "hours"])
        self.assertEqual(list(model.predict(frame[["hours", "flag", "word", "number"]])), self.expected)
        self.assertIn("recipe.json", model.metadata.metadata["trimtab"])

    def test_the_learner_is_lightgbms_own(self):
        booster = mlflow.lightgbm.load_model("models:/bright/1")
        self.assertEqual(booster.feature_name(), ["word", "number", "flag", "hours"])
        contributions = booster.predict(self.encoded(self.recipe()), pred_contrib=True)
        logit = [math.log(p / (1 - p)) for p in self.expected]
        for row, expected in zip(contributions, logit):
            self.assertAlmostEqual(sum(row), expected, places=9)

    def test_mlflow_serves_it(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/bright@champion"]
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        served = subprocess.Popen(
            [*command, "--env-manager", "local", "--port", str(port)],
            env={**os.environ, "PATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            records = json.loads(self.encoded(self.recipe()).to_json(orient="records"))
            for _ in range(600):
                try:
                    got = ask(f"http://127.0.0.1:{port}/invocations", {"dataframe_records": records})
                    break
                except OSError:
                    self.assertIsNone(served.poll())
                    time.sleep(0.2)
            self.assertEqual(got, self.expected)
        finally:
            served.terminate()
            served.wait(timeout=30)

    def move_clock(self, to):
        body = json.dumps({"to": to}).encode()
        request = urllib.request.Request(
            self.address + "/api/v1/clock", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120):
            pass

    def wait_until(self, is_so):
        """The server looks every ten seconds at what its retention asks."""
        for _ in range(300):
            if is_so():
                return
            time.sleep(0.2)
        self.fail("the retention was not carried out")

    def test_zz_what_is_not_retained_goes_and_what_a_version_came_from_stays(self):
        """Last, because it moves the server's clock."""
        client = mlflow.MlflowClient()
        ended = 1_580_000_000_000  # 2020-01-26
        run = client.create_run("0", start_time=ended - 1000).info.run_id
        client.set_terminated(run, end_time=ended)
        running = client.create_run("0", start_time=ended - 1000).info.run_id
        self.move_clock("2020-03-01")
        self.wait_until(lambda: client.get_run(run).info.lifecycle_stage == "deleted")
        self.move_clock("2020-03-20")
        self.wait_until(lambda: not self.is_there(client, run))
        self.assertEqual(client.get_run(running).info.lifecycle_stage, "active")
        source = client.get_model_version_by_alias("bright", "champion").run_id
        self.assertEqual(client.get_run(source).info.lifecycle_stage, "active")

    def is_there(self, client, run):
        try:
            return client.get_run(run) is not None
        except mlflow.MlflowException as gone:
            self.assertIn(f"Run with id={run} not found", str(gone))
            return False

    def test_a_baseline_is_no_model_of_mlflows(self):
        with self.assertRaisesRegex(mlflow.MlflowException, "MLmodel"):
            mlflow.pyfunc.load_model("models:/plain/1")


if __name__ == "__main__":
    sys.exit(main(TrainedHere))
