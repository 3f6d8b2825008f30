"""What the journeys of people share: a server that knows them, and how a journey is run."""

import base64
import contextlib
import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import journey

GOOD = "correct horse battery staple"
OTHER = "seven gray whales near reykjavik"


class Server:
    """A running trimtab and a way to ask it."""

    program = "bin/trimtab"

    def __init__(self, folder, *words, tls=None):
        self.folder, self.tls = pathlib.Path(folder), tls
        self.process = subprocess.Popen(
            [Server.program, "serve", "--home", "home", "--port", "0", *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.home_token = (self.folder / "home/token").read_text().strip()
        self.local = {}

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0
        self.process.stdout.close()

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method, path, body=None, token=None, basic=None, **headers):
        """(status, JSON or text, headers)"""
        sent = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if token:
            sent["Authorization"] = "Bearer " + token
        if basic:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        connection = self.connect()
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        reply = connection.getresponse()
        text = reply.read().decode(errors="replace")
        connection.close()
        with contextlib.suppress(ValueError):
            return reply.status, json.loads(text), reply
        return reply.status, text, reply

    def order(self, method, path, body=None):
        status, answer, _ = self.ask(method, path, body, token=self.home_token)
        assert status == 200, (method, path, status, answer)
        return answer

    def add(self, name, password=GOOD):
        self.order("POST", "/api/v1/people", {"name": name, "password": password})

    def token(self, name, **narrowed):
        return self.order("POST", f"/api/v1/people/{name}/tokens", narrowed)

    def experiment(self, name, **who):
        status, answer, _ = self.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": name}, **who)
        assert status == 200, answer
        return answer["experiment_id"]

    def trimtab(self, *words, input=None):
        return subprocess.run(
            [Server.program, *words, "--home", "home"],
            cwd=self.folder,
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )


class WithServer(unittest.TestCase):
    words = ("--auth",)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.server = Server(cls.folder.name, *cls.words)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()


def main(module):
    """Runs the tests of a module, as tests/clients/run.py asks; returns the exit code."""
    return journey.main(Server, sys.modules[module])
