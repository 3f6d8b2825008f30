"""What apply costs when everything is there, and when one new day has come, beside doing it all again."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from run import ROOT, Row

EXAMPLE = ROOT / "examples/flights"


def seconds(program, folder):
    started = time.monotonic()
    subprocess.run([program, "apply", "--json"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def run(program, rounds, _quick=False):
    if not (EXAMPLE / "data/planes.csv").exists():
        subprocess.run([sys.executable, str(EXAMPLE / "get_data.py")], check=True, stdout=sys.stderr)
    again = "from scratch"
    cached = Row("apply, everything cached", "s", again, more_is_better=False)
    one_day = Row("apply, one new day", "s", again, more_is_better=False)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            shutil.copytree(EXAMPLE / "data", folder / "data")
            shutil.copy(EXAMPLE / "trimtab.yaml", folder / "trimtab.yaml")
            last_day = folder / "data/flights/2013-03-31.csv"
            shutil.move(last_day, folder / "late.csv")
            scratch = seconds(program, folder)
            cached.ours.append(seconds(program, folder))
            shutil.move(folder / "late.csv", last_day)
            one_day.ours.append(seconds(program, folder))
            cached.theirs.append(scratch)
            one_day.theirs.append(scratch)
    return [cached, one_day]
