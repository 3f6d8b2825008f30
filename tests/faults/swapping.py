"""Other versions and another trimtab.yaml come under load: every request is answered, by one or the other."""

import collections
import contextlib
import pathlib
import re
import sqlite3
import subprocess
import tempfile
import threading
import time

from lifecycle import Client, demand, run, serving

ROW = {
    "sched_dep": "2013-01-09T12:00:00Z",
    "carrier": "UA",
    "origin": "LGA",
    "dest": "ORD",
    "distance": 733,
    "tailnum": "N37422",
}
# One client keeps its connection for as long as it may, the other makes one for each request.
KEEPS, COMES_ANEW = True, False


class Load:
    """Asks without a pause until it is stopped."""

    def __init__(self, port):
        self.port, self.stopped = port, threading.Event()
        self.answered = collections.Counter()  # By version.
        self.wrong = []
        self.threads = [threading.Thread(target=self.ask, args=(how,)) for how in (KEEPS, COMES_ANEW) * 2]
        for thread in self.threads:
            thread.start()

    def ask(self, keeps):
        client = Client(self.port)
        while not self.stopped.is_set():
            try:
                reply = client.ask("POST", "/endpoints/late/invocations", {"instances": [ROW]})
                self.answered[reply["model_version"]] += 1
            except Exception as wrong:
                self.wrong.append(repr(wrong))
                client = Client(self.port)
            if not keeps:
                client = Client(self.port)

    def wait_for(self, version):
        deadline = time.monotonic() + 60
        while self.answered[version] == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        demand(self.answered[version] > 0, f"version {version} never answers: {self.answered}")

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def test_nobody_is_refused_while_things_change(program, make_project):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 8)
        run(program, ["apply", "--as-of", "2013-01-08"], folder)
        file = folder / "trimtab.yaml"
        with serving(program, folder, folder / ".trimtab", "--clock", "manual") as port:
            load = Load(port)
            load.wait_for("1")
            for version, rounds in (("2", 21), ("3", 22)):
                text = file.read_text(encoding="utf-8")
                file.write_text(re.sub(r"rounds: \d+", f"rounds: {rounds}", text), encoding="utf-8")
                run(program, ["apply"], folder)
                load.wait_for(version)
            run(program, ["rollback", "late", "--to", "2"], folder)
            before = load.answered["2"]
            while load.answered["2"] == before:
                time.sleep(0.01)
            load.stop()
        demand(not load.wrong, f"{len(load.wrong)} requests were not answered: {load.wrong[:3]}")
        damaged_version_stays_out(program, folder)


def damaged_version_stays_out(program, folder):
    """A person goes back to a version whose files are broken: nothing changes."""
    home = folder / ".trimtab"
    with contextlib.closing(sqlite3.connect(home / "meta.db")) as database:
        found = database.execute(
            "SELECT blob_sha256 FROM artifact WHERE root = 'model/late/1' AND path = 'model.txt'"
        )
        sha256 = found.fetchone()[0]
    with serving(program, folder, home, "--clock", "manual") as port:
        load = Load(port)
        load.wait_for("2")
        blob = home / "blobs" / sha256[:2] / sha256
        blob.chmod(0o644)
        blob.write_bytes(b"garbage")
        back = subprocess.run(
            [program, "rollback", "late", "--to", "1"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        demand(
            back.returncode == 3
            and "version 1 of endpoint 'late' does not load; nothing was changed" in back.stderr,
            f"{back}",
        )
        status = run(program, ["status"], folder)
        demand(status == "late: healthy, version 2\n", status)
        load.stop()
        demand(not load.wrong and set(load.answered) == {"2"}, f"{load.answered} {load.wrong[:3]}")
