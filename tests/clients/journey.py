"""What the journeys of all clients share: an empty record to talk to, and how a journey is run."""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import unittest


class EmptyRecord(unittest.TestCase):
    """One server with an empty home for all tests of a class. Its address is in MLFLOW_TRACKING_URI."""

    program = "bin/trimtab"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.home = pathlib.Path(cls.folder.name) / "home"
        cls.start()

    @classmethod
    def start(cls):
        cls.server = subprocess.Popen(
            [cls.program, "serve", "--home", cls.home, "--port", "0"],
            cwd=cls.folder.name,
            stdout=subprocess.PIPE,
            text=True,
        )
        cls.address = cls.server.stdout.readline().split()[-1]
        os.environ["MLFLOW_TRACKING_URI"] = cls.address

    @classmethod
    def stop(cls):
        cls.server.terminate()
        assert cls.server.wait(timeout=30) == 0
        cls.server.stdout.close()

    def trimtab(self, *words):
        """What a verb says that ends well, while no server runs."""
        command = [self.program, *words]
        done = subprocess.run(command, cwd=self.folder.name, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @classmethod
    def tearDownClass(cls):
        cls.stop()
        cls.folder.cleanup()


def main(journey, module=None):
    """Runs the tests of a class, or of a module whose worlds `journey` serves, as tests/clients/run.py asks.

    Returns the exit code.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--json")
    parser.add_argument("test", nargs="*")
    options = parser.parse_args()
    journey.program = os.path.abspath(options.program)
    load = unittest.defaultTestLoader
    if options.test:
        suite = load.loadTestsFromNames(options.test, module or journey)
    else:
        suite = load.loadTestsFromModule(module) if module else load.loadTestsFromTestCase(journey)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = len(result.failures) + len(result.errors)
    if options.json:
        totals = {"passed": result.testsRun - failed, "failed": failed}
        pathlib.Path(options.json).write_text(json.dumps(totals), encoding="utf-8")
    return 1 if failed else 0
