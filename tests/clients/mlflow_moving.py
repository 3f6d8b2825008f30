#!/usr/bin/env python3
"""A record moves: MLflow's SQLite file to here to a real `mlflow server`, and from that server to here.

What MLflow's own client reads of a record is compared, before and after. Runs in the environment of
bench/requirements.txt; run.py starts it there.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from moved_world import facts, fill, fill_traces  # Before mlflow, which reads the environment it sets.

import mlflow
from mlflow import MlflowClient
from mlflow.entities import ViewType

KINDS = ["experiments", "runs", "metric_points", "logged_models", "traces", "registered_models", "prompts"]
KINDS += ["versions", "aliases"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address):
    began = time.monotonic()
    while time.monotonic() - began < 600:  # It makes its tables first.
        try:
            with urllib.request.urlopen(address + "/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")


class Moving(unittest.TestCase):
    """One real server that was filled once; its file and its address are imported."""

    program = "bin/trimtab"
    maxDiff = 4_000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.servers = []
        cls.origin = cls.start_mlflow("origin")
        shutil.copy(cls.root / "origin/mlflow.db", cls.root / "empty.db")
        mlflow.set_tracking_uri(cls.origin)
        client = MlflowClient(cls.origin)
        fill(client, cls.root)
        fill_traces(client, cls.root)
        cls.expected = facts(client)

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait(timeout=30)
        cls.folder.cleanup()

    @classmethod
    def start_mlflow(cls, name):
        port = free_port()
        folder = cls.root / name
        folder.mkdir()
        if (cls.root / "empty.db").exists():  # Saves the second server half a minute of making tables.
            shutil.copy(cls.root / "empty.db", folder / "mlflow.db")
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
        ]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        command += ["--artifacts-destination", str(folder / "artifacts")]
        with open(folder / "log", "wb") as log:
            environment = {
                **os.environ,
                "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            }
            server = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True
            )
        cls.servers.append(server)
        wait_for(f"http://127.0.0.1:{port}")
        return f"http://127.0.0.1:{port}"

    def trimtab(self, *words, expect=0):
        done = subprocess.run(
            [self.program, *words], cwd=self.root, capture_output=True, text=True, timeout=300, check=False
        )
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def whole(self, home):
        self.assertEqual(self.trimtab("fsck", "--full", "--home", home).stdout, "The home is whole.\n")

    def served(self, home):
        server = subprocess.Popen(
            [self.program, "serve", "--home", home, "--port", "0"],
            cwd=self.root,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait, 30)
        self.addCleanup(server.terminate)
        address = server.stdout.readline().split()[-1]
        mlflow.set_tracking_uri(address)
        return MlflowClient(address)

    def facts_here(self, home):
        return facts(self.served(home))

    def expect_same(self, found):
        for part in ("traces", "prompts", "models", "experiments"):  # The short ones first.
            self.assertEqual(found[part], self.expected[part])

    def ids(self, client):
        found = set()
        for experiment in client.search_experiments(view_type=ViewType.ALL):
            for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
                found.add(run.info.run_id)
        return found

    def expect_the_rest(self, report):
        self.assertEqual(report["traces"], {"brought": 4, "known": 0, "left": 0})
        self.assertEqual(report["prompts"], {"brought": 1, "known": 0, "left": 0})
        self.assertEqual(report["webhooks"], {"brought": 0, "known": 0, "left": 1})
        why = "webhooks are left behind: nobody gives out the secrets that they sign with; make them anew"
        self.assertIn(why, report["notes"])

    def import_file(self, home, *more):
        return self.trimtab(
            "import",
            "mlflow",
            "--from",
            "origin/mlflow.db",
            "--artifacts",
            "origin/artifacts",
            "--home",
            home,
            *more,
        )

    def test_the_file_comes_whole_and_only_once(self):
        first = json.loads(self.import_file("from-file", "--json").stdout)
        self.assertEqual(first["runs"], {"brought": 8, "known": 0, "left": 0})
        self.assertEqual(first["metric_points"]["brought"], 6 * 1_202)
        self.assertEqual(first["versions"]["brought"], 4)
        self.assertEqual(first["files"], {"brought": 15, "known": 0, "left": 0})
        self.expect_the_rest(first)
        again = json.loads(self.import_file("from-file", "--json").stdout)
        for kind in KINDS + ["files"]:
            self.assertEqual(again[kind]["brought"], 0, kind)
        self.whole("from-file")
        client = self.served("from-file")
        self.expect_same(facts(client))
        self.assertEqual(self.ids(client), self.ids(MlflowClient(self.origin)))

    def test_the_server_tells_the_same(self):
        told = json.loads(
            self.trimtab("import", "mlflow", "--from", self.origin, "--home", "told", "--json").stdout
        )
        self.assertEqual(told["runs"]["brought"], 8)
        self.expect_the_rest(told)
        self.assertEqual(told["files"]["left"], 0)
        self.whole("told")
        self.expect_same(self.facts_here("told"))

    def test_killed_imports_go_on(self):
        for number in range(6):
            process = subprocess.Popen(
                [
                    self.program,
                    "import",
                    "mlflow",
                    "--from",
                    "origin/mlflow.db",
                    "--artifacts",
                    "origin/artifacts",
                ]
                + ["--home", "killed"],
                cwd=self.root,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(0.02 * (number + 1))
            process.kill()
            process.wait()
        self.import_file("killed")
        self.whole("killed")
        self.expect_same(self.facts_here("killed"))

    def test_there_and_back_again(self):
        self.import_file("back")
        target = self.start_mlflow("target")
        for number in range(3):  # Interrupted twice.
            words = [self.program, "export", "mlflow", "--to", target, "--home", "back"]
            process = subprocess.Popen(
                words, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            if number < 2:
                time.sleep(1 + number)
                process.kill()
            said = process.communicate(timeout=300)[0]
            if number == 2:
                self.assertEqual(process.returncode, 0, said)
        mlflow.set_tracking_uri(target)
        self.expect_same(facts(MlflowClient(target)))
        again = json.loads(
            self.trimtab("export", "mlflow", "--to", target, "--home", "back", "--json").stdout
        )
        self.assertEqual([again["runs"]["brought"], again["versions"]["brought"]], [0, 0])
        self.assertEqual([again["traces"]["brought"], again["traces"]["known"]], [0, 4])
        self.expect_same(facts(MlflowClient(target)))
        # As if each kill had come just before it was noted what had been made there.
        with contextlib.closing(sqlite3.connect(self.root / "back/meta.db")) as home, home:
            gone = home.execute("DELETE FROM setting WHERE name LIKE '%version%late/%'").rowcount
        self.assertEqual(gone, 2, "there is a note of each version")
        with contextlib.closing(sqlite3.connect(self.root / "back/meta.db")) as home, home:
            gone = home.execute("DELETE FROM setting WHERE name LIKE '%trace_done%'").rowcount
            gone += home.execute("DELETE FROM setting WHERE name LIKE '%version%greeting/%'").rowcount
            home.execute("INSERT INTO webhook VALUES ('w', 'ci', '', 'https://x', '', 1, 0, 0)")
        self.assertEqual(gone, 6, "there is a note of each trace and of each version of a prompt")
        last = self.trimtab("export", "mlflow", "--to", target, "--home", "back", "--json")
        self.assertEqual(json.loads(last.stdout)["webhooks"]["left"], 1)
        self.expect_same(facts(MlflowClient(target)))

    def test_without_artifacts_the_record_comes_and_says_what_is_left(self):
        done = self.trimtab("import", "mlflow", "--from", "sqlite:///origin/mlflow.db", "--home", "bare")
        self.assertIn("left behind", done.stdout)
        self.assertIn("are not below the folder of --artifacts", done.stdout)
        self.whole("bare")

    def test_an_archived_trace_is_left_behind_and_says_why(self):
        shutil.copy(self.root / "origin/mlflow.db", self.root / "archived.db")
        with contextlib.closing(sqlite3.connect(self.root / "archived.db")) as copy, copy:
            changed = copy.execute(
                "UPDATE trace_tags SET value = 'ARCHIVE_REPO' WHERE key = 'mlflow.trace.spansLocation'"
            ).rowcount
        done = self.trimtab("import", "mlflow", "--from", "archived.db", "--home", "archived", "--json")
        report = json.loads(done.stdout)
        self.assertEqual(report["traces"], {"brought": 4 - changed, "known": 0, "left": changed})
        why = "its spans are in MLflow's archive, which only its server reads"
        self.assertEqual(sum(why in note for note in report["notes"]), 1, report["notes"])

    def test_other_files_are_refused(self):
        (self.root / "text.db").write_text(
            "no database at all, but long enough for one to be looked for\n" * 20
        )
        sqlite3.connect(self.root / "other.db").execute("CREATE TABLE t (a)").connection.close()
        with sqlite3.connect(self.root / "old.db") as old:
            old.execute("CREATE TABLE alembic_version (version_num TEXT)")
            old.execute("INSERT INTO alembic_version VALUES ('0a8213491aaa')")
        old.close()
        (self.root / "mlruns").mkdir()
        for name, words in [
            ("mlruns", "'mlruns' is a folder: a file store of MLflow's, which is not read"),
            ("mlruns", "mlflow migrate-filestore --source mlruns --target sqlite:///mlflow.db"),
            ("postgresql://me:secret@h/db", "'postgresql://…' is a database server: only SQLite files"),
            ("mysql+pymysql://h/db", "'mysql://…' is a database server"),
            ("mssql+pyodbc://h/db", "give that server's http://HOST:PORT"),
            ("absent.db", "there is no file 'absent.db'"),
            ("text.db", "'text.db' is no SQLite database"),
            ("other.db", "'other.db' is a SQLite database, but none of MLflow's"),
            ("old.db", "'old.db' has MLflow's schema 0a8213491aaa, and only that of MLflow 3.17"),
            ("https://example.org", "'https://example.org' is no address of an MLflow server"),
            ("http://127.0.0.1:9", "the MLflow server at http://127.0.0.1:9 cannot be asked"),
        ]:
            done = subprocess.run(
                [self.program, "import", "mlflow", "--from", name, "--home", "refused"],
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            self.assertNotEqual(done.returncode, 0, name)
            self.assertIn(words, done.stderr)
            self.assertTrue(done.stderr.startswith("error: "), done.stderr)
            self.assertNotIn("secret", done.stderr)
        self.assertFalse((self.root / "refused").exists())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--json")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    Moving.program = os.path.abspath(options.program)
    loader = unittest.defaultTestLoader
    suite = (
        loader.loadTestsFromNames(options.names, Moving)
        if options.names
        else loader.loadTestsFromTestCase(Moving)
    )
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"passed": result.testsRun - failed, "failed": failed}), encoding="utf-8"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
