#!/usr/bin/env python3
"""Speaks to a served model as client programs do: dialects, ids, limits, the browser's guards."""

import argparse
import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/faults"))

import run as faults  # noqa: E402  the small example is made there

ROW = {
    "sched_dep": "2013-01-09T15:00:00Z",
    "carrier": "UA",
    "origin": "LGA",
    "dest": "ORD",
    "distance": 733,
    "tailnum": "N37422",
}


class Served(unittest.TestCase):
    """One server for all tests."""

    program = "bin/trimtab"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        faults.make_project(folder, 8)
        done = faults.run(cls.program, ["apply", "--as-of", "2013-01-08"], folder)
        assert done.returncode == 0, done.stderr
        cls.server = subprocess.Popen(
            [cls.program, "serve", "--port", "0", "--clock", "manual"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        cls.port = int(cls.server.stdout.readline().rsplit(":", 1)[1])

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        assert cls.server.wait(timeout=30) == 0
        cls.server.stdout.close()
        cls.folder.cleanup()

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, text, {"Content-Type": "application/json", **named})
        reply = connection.getresponse()
        answer = reply.read().decode()
        connection.close()
        return reply.status, answer

    def predict(self, body, **headers):
        status, text = self.ask("POST", "/endpoints/late/invocations", body, **headers)
        return status, json.loads(text)

    def test_dialects_give_the_same_answer(self):
        bodies = [
            {"dataframe_records": [ROW]},
            {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}},
            {"instances": [ROW]},
            {"inputs": {name: [value] for name, value in ROW.items()}},
        ]
        answers = set()
        for body in bodies:
            status, answer = self.predict(body)
            self.assertEqual(status, 200, answer)
            answers.add(answer["predictions"][0])
        self.assertEqual(len(answers), 1)

    def test_many_rows_equal_single_rows(self):
        rows = [
            {**ROW, "distance": distance, "tailnum": tail}
            for distance in (80, 733, None)
            for tail in ("N37422", None, "ß")
        ]
        _, many = self.predict({"dataframe_records": rows})
        single = [self.predict({"dataframe_records": [row]})[1]["predictions"][0] for row in rows]
        self.assertEqual(many["predictions"], single)

    def test_id_by_header(self):
        status, answer = self.predict({"dataframe_records": [ROW]}, X_Amzn_SageMaker_Inference_Id="h1")
        self.assertEqual((status, answer["prediction_ids"]), (200, ["h1"]))

    def test_rows_that_arrive_change_the_join(self):
        row = {**ROW, "sched_dep": "2013-01-20T15:30:00Z"}
        before = self.predict({"dataframe_records": [row]})[1]["predictions"][0]
        self.ask("POST", "/api/v1/clock", {"to": "2013-01-20T15:00:00Z"})
        storm = {
            "origin": "LGA",
            "time_hour": "2013-01-20T15:00:00Z",
            "temp": 20.0,
            "visib": 0,
            "precip": 1,
            "wind_speed": 40.0,
            "humid": 99.0,
            "dewp": 19.0,
            "pressure": 980.0,
            "wind_dir": 40,
        }
        status, answer = self.ask("POST", "/api/v1/tables/weather/rows", {"rows": [storm]})
        self.assertEqual((status, json.loads(answer)), (200, {"accepted": 1, "repeated": 0}))
        after = self.predict({"dataframe_records": [row]})[1]["predictions"][0]
        self.assertNotEqual(before, after)
        status, answer = self.ask("POST", "/api/v1/tables/weather/rows", {"rows": [storm]})
        self.assertEqual(json.loads(answer), {"accepted": 0, "repeated": 1})

    def test_what_is_known_better_wins_over_the_join(self):
        calm = self.predict({"dataframe_records": [{**ROW, "temp": 40.0, "visib": 10, "precip": 0}]})
        storm = self.predict({"dataframe_records": [{**ROW, "temp": 20.0, "visib": 0, "precip": 1}]})
        self.assertEqual((calm[0], storm[0]), (200, 200), storm)
        self.assertNotEqual(calm[1]["predictions"], storm[1]["predictions"])

    def runs_of_project(self):
        found = json.loads(
            self.ask("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=flights")[1]
        )
        search = {"experiment_ids": [found["experiment"]["experiment_id"]], "filter": "metrics.auc > 0.5"}
        return json.loads(self.ask("POST", "/api/2.0/mlflow/runs/search", search)[1])["runs"]

    def test_what_the_project_trains_is_found_by_mlflows_search(self):
        before = self.runs_of_project()
        status, answer = self.ask("POST", "/api/v1/apply", {"as_of": "2013-01-07"})
        self.assertEqual(status, 200, answer)
        after = self.runs_of_project()
        self.assertEqual(len(after), len(before) + 1)
        self.assertIn("trimtab.step_key", {tag["key"] for tag in after[0]["data"]["tags"]})

    def test_deep_json_is_refused_at_once(self):
        started = time.monotonic()
        status, answer = self.predict("[" * 100_000)
        self.assertEqual(status, 400)
        self.assertEqual(answer["error"]["code"], "malformed")
        self.assertLess(time.monotonic() - started, 1)

    def test_browser_guards(self):
        for headers in (
            {"Host": "evil.example"},
            {"Origin": "http://evil.example"},
            {"Sec_Fetch_Site": "cross-site"},
        ):
            status, answer = self.predict({"dataframe_records": [ROW]}, **headers)
            self.assertEqual((status, answer["error"]["code"]), (403, "forbidden"), headers)

    def champion(self):
        return str(json.loads(self.ask("GET", "/api/v1/endpoints/late")[1])["champion"])

    def test_the_registry_shows_what_was_trained(self):
        champion = self.champion()
        alias = "/api/2.0/mlflow/registered-models/alias"
        status, text = self.ask("GET", alias + "?name=late&alias=champion")
        version = json.loads(text)["model_version"]
        self.assertEqual((status, version["version"]), (200, champion))
        path = version["source"].removeprefix("mlflow-artifacts:/")
        files = json.loads(self.ask("GET", "/api/2.0/mlflow-artifacts/artifacts?path=" + path)[1])["files"]
        self.assertIn("manifest.json", [file["path"] for file in files])
        proxy = "/api/2.0/mlflow-artifacts/artifacts/" + path + "/manifest.json"
        self.assertEqual(self.ask("GET", proxy)[0], 200)
        # Nobody changes what was trained, and nobody deletes what is served.
        status, text = self.ask("PUT", proxy, "{}")
        self.assertEqual((status, json.loads(text)["error_code"]), (403, "PERMISSION_DENIED"))
        for what, body in (
            ("model-versions/delete", {"name": "late", "version": champion}),
            ("registered-models/delete", {"name": "late"}),
        ):
            status, text = self.ask("DELETE", "/api/2.0/mlflow/" + what, body)
            self.assertEqual(status, 409, text)

    def test_a_push_moves_the_alias_and_not_the_endpoint(self):
        mlflow, champion = "/api/2.0/mlflow/", self.champion()
        made = self.ask(
            "POST", mlflow + "model-versions/create", {"name": "late", "source": "s3://bucket/mine"}
        )
        pushed = json.loads(made[1])["model_version"]["version"]
        alias = {"name": "late", "alias": "champion", "version": pushed}
        self.assertEqual(self.ask("POST", mlflow + "registered-models/alias", alias), (200, "{}"))
        found = self.ask("GET", mlflow + "registered-models/alias?name=late&alias=champion")[1]
        self.assertEqual(json.loads(found)["model_version"]["version"], pushed)
        self.assertEqual(self.predict({"dataframe_records": [ROW]})[1]["model_version"], champion)
        back = {**alias, "version": champion}
        self.assertEqual(self.ask("POST", mlflow + "registered-models/alias", back)[0], 200)

    def test_garbage_never_breaks_the_record(self):
        """2,000 requests of known parameters with unfit values; a seed makes them the same every time."""
        chance = random.Random(4)
        values = [
            None,
            0,
            -1,
            1.5,
            "",
            "x",
            "0",
            "NaN",
            True,
            [],
            {},
            [1],
            ["0"],
            [{}],
            [[]],
            "\0",
            "ß",
            2**62,
        ]
        values += [[{"key": "a"}], [{"key": "a", "value": 1, "timestamp": 1}], -(2**63), "ALL"]
        names = (
            "experiment_id experiment_ids run_id run_ids metric_key key value timestamp step metrics params"
        )
        names += " tags filter order_by max_results page_token name new_name status end_time datasets models"
        paths = json.loads(self.ask("GET", "/openapi.json")[1])["paths"]
        routes = [(path, method) for path in sorted(paths) for method in paths[path] if "/mlflow/" in path]
        run = json.loads(self.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})[1])
        for _ in range(2000):
            path, method = chance.choice(routes)
            sent = {name: chance.choice(values) for name in chance.sample(names.split(), 5)}
            if chance.random() < 0.7:
                sent["run_id"] = run["run"]["info"]["run_id"]
            body = json.dumps(sent)
            query = "?" + urllib.parse.urlencode(sent, doseq=True) if method == "get" else ""
            body = body[: chance.randint(0, len(body))] if chance.random() < 0.1 else body
            path = path.replace("{", "").replace("}", "") + query
            status, text = self.ask(method.upper(), path, None if method == "get" else body)
            self.assertLess(status, 500, f"{method} {path} {body}: {text}")

    def test_description_lists_every_route(self):
        status, text = self.ask("GET", "/openapi.json")
        self.assertEqual(status, 200)
        paths = json.loads(text)["paths"]
        for path in (
            "/endpoints/{name}/invocations",
            "/api/v1/endpoints/{name}/labels",
            "/api/v1/clock",
            "/api/v1/tables/{name}/rows",
            "/api/v1/incidents",
            "/healthz",
        ):
            self.assertIn(path, paths)

    def test_an_empty_body_never_breaks_a_route(self):
        paths = json.loads(self.ask("GET", "/openapi.json")[1])["paths"]
        for path, methods in paths.items():
            for method in methods:
                status, text = self.ask(method.upper(), path.replace("{name}", "late"), "")
                # 501 is an answer: some of MLflow's and SageMaker's paths only say that they are not offered.
                self.assertTrue(status < 500 or status == 501, f"{method} {path}: {text}")


# Journeys of clients that are packages: the file, and the environment that it runs in.
JOURNEYS = [
    ("scoring_clients.py", "clients", "tests/clients/requirements.txt"),
    ("platform_clients.py", "platforms", "tests/clients/requirements_platforms.txt"),
    ("mlflow_scoring.py", "bench", "bench/requirements.txt"),
    ("mlflow_runs.py", "bench", "bench/requirements.txt"),
    ("mlflow_models.py", "bench", "bench/requirements.txt"),
    ("mlflow_trained.py", "bench", "bench/requirements.txt"),
    ("mlflow_skinny.py", "skinny", "tests/clients/requirements_skinny.txt"),
    ("mlflow_boosters.py", "boosters", "tests/clients/requirements_boosters.txt"),
    ("people_journey.py", "bench", "bench/requirements.txt"),
    ("people_doors.py", "bench", "bench/requirements.txt"),
    ("mlflow_moving.py", "bench", "bench/requirements.txt"),
    ("mlflow_surface.py", "bench", "bench/requirements.txt"),
]


def run_journey(program, journey, environment, requirements):
    """(passed, failed) of a journey; one that says nothing has failed."""
    made = subprocess.run(
        ["python3", "cmake/dependencies.py", "venv", environment, requirements],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        print(f"the environment of {requirements} cannot be made")
        return 0, 1
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "results.json"
        command = [made.stdout.strip(), ROOT / "tests/clients" / journey, "--program", program]
        subprocess.run([*command, "--json", out], check=False)
        totals = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"passed": 0, "failed": 1}
    return totals["passed"], totals["failed"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--json")
    options = parser.parse_args()
    Served.program = os.path.abspath(options.program)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Served)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    totals = [run_journey(Served.program, *journey) for journey in JOURNEYS]
    failed_here = len(result.failures) + len(result.errors)
    passed = result.testsRun - failed_here + sum(passed for passed, _ in totals)
    failed = failed_here + sum(failed for _, failed in totals)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"passed": passed, "failed": failed}), encoding="utf-8"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
