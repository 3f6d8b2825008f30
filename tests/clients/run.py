#!/usr/bin/env python3
"""Speaks to a served model as client programs do: dialects, ids, limits, the browser's guards."""

import argparse
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

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
                # 501: what SageMaker's contract asks for and an endpoint does not do.
                fine = status < 500 or (status == 501 and path.startswith("/models"))
                self.assertTrue(fine, f"{method} {path}: {status} {text}")


# Journeys of clients that are packages: the file, and the environment that it runs in.
JOURNEYS = [
    ("scoring_clients.py", "clients", "tests/clients/requirements.txt"),
    ("mlflow_scoring.py", "bench", "bench/requirements.txt"),
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
