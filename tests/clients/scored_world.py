"""One served model and the answers that every client must get, for the journeys of several environments."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/faults"))

import run as faults
from journey import main

__all__ = ["GRPC_LINE", "PREDICT_LINE", "ROWS", "ScoredWorld", "main"]

ROWS = [
    {
        "sched_dep": f"2013-01-09T{hour:02d}:00:00Z",
        "carrier": carrier,
        "origin": origin,
        "dest": "ORD",
        "distance": distance,
        "tailnum": "N37422",
    }
    for hour, carrier, origin, distance in (
        (12, "UA", "LGA", 733),
        (15, "B6", "JFK", 740),
        (20, "EV", "EWR", 719),
    )
]
PREDICT_LINE = "predictions alone at http://127.0.0.1:"
GRPC_LINE = "predictions over gRPC at 127.0.0.1:"


class ScoredWorld(unittest.TestCase):
    """One server for all clients, with a second port for predictions alone."""

    program = "bin/trimtab"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        faults.make_project(folder, 8)
        done = faults.run(cls.program, ["apply", "--as-of", "2013-01-08"], folder)
        assert done.returncode == 0, done.stderr
        cls.server = subprocess.Popen(
            [
                cls.program,
                "serve",
                "--port",
                "0",
                "--predict-port",
                "0",
                "--grpc-port",
                "0",
                "--clock",
                "manual",
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        cls.address = cls.server.stdout.readline().split()[-1]
        line = cls.server.stdout.readline().strip()
        assert line.startswith(PREDICT_LINE), line
        cls.predict_address = line.split()[-1]
        line = cls.server.stdout.readline().strip()
        assert line.startswith(GRPC_LINE), line
        cls.grpc_address = line.split()[-1]
        cls.expected = cls.post(cls.address + "/endpoints/late/invocations", {"dataframe_records": ROWS})[
            "predictions"
        ]
        assert len(set(cls.expected)) == len(ROWS), cls.expected

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        assert cls.server.wait(timeout=30) == 0
        cls.server.stdout.close()
        cls.folder.cleanup()

    @staticmethod
    def post(url, body, content_type="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": content_type})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())

    def get(self, url):
        with urllib.request.urlopen(url, timeout=30) as reply:
            return reply.status, reply.read().decode()

    def csv(self, header):
        with urllib.request.urlopen(self.address + "/api/v1/endpoints/late/schema", timeout=30) as reply:
            columns = [column["name"] for column in json.loads(reply.read())["columns"] if column["required"]]
        lines = [",".join(str(row.get(name, "")) for name in columns) for row in ROWS]
        return "\n".join([",".join(columns)] * header + lines).encode() + b"\n"
