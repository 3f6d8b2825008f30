"""Asks Evidently, in a process of its own, whether a batch has drifted."""

import json
import pathlib
import subprocess
import sys

import worlds

HERE = pathlib.Path(__file__).resolve().parent
DRIFTED_SHARE = 0.5  # The preset's default.


def environment():
    """The python that has Evidently."""
    command = [sys.executable, "cmake/dependencies.py", "venv", "evidently"]
    command.append("bench/heal/evidently_requirements.txt")
    done = subprocess.run(command, cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


class Watcher:
    def __init__(self):
        self.process = subprocess.Popen(
            [environment(), str(HERE / "evidently_watch.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def send(self, what, columns):
        self.process.stdin.write(json.dumps({"what": what, "columns": columns}) + "\n")
        self.process.stdin.flush()

    def refer_to(self, batches):
        """From now on batches are held against these."""
        self.send(
            "reference", {name: [cell for b in batches for cell in b.sent[name]] for name in worlds.COLUMNS}
        )

    def sees_drift(self, batch):
        self.send("batch", {name: batch.sent[name] for name in worlds.COLUMNS})
        return json.loads(self.process.stdout.readline())["share"] >= DRIFTED_SHARE

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
