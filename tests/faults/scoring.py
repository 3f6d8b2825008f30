"""Batch scoring under fire: killed anywhere, the same command goes on and gives the same bytes."""

import glob
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

from lifecycle import SEED, demand, run

FILES = 120
KILLS = 3


def kill_within(program, words, folder, marks):
    """Starts the command and kills it once so many files are scored; True: it was still at work."""
    scoring = subprocess.Popen(
        [program, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while scoring.poll() is None and len(glob.glob(f"{folder}/.trimtab-score-*/parts/*.rows")) < marks:
        time.sleep(0.002)
    scoring.kill()
    return scoring.wait(timeout=30) != 0


def test_score_goes_on(program, make_project):
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_project(folder, 8)
        run(program, ["apply", "--as-of", "2013-01-08"], folder)
        (folder / "in").mkdir()
        days = sorted((folder / "data/flights").glob("*.csv"))
        for number in range(FILES):
            shutil.copy(days[number % len(days)], folder / f"in/{number:03}.csv")
        files = sorted(str(file.relative_to(folder)) for file in (folder / "in").glob("*.csv"))
        for ending in ("csv", "parquet"):
            whole, out = f"whole.{ending}", f"out.{ending}"
            run(program, ["score", "late", *files, "-o", whole], folder)
            words = ["score", "late", *files, "-o", out]
            killed = sum(
                kill_within(program, words, folder, round * FILES // 5 + chance.randint(1, FILES // 6))
                for round in range(KILLS)
            )
            demand(killed > 0, "it was always too quick to be killed")
            demand(not (folder / out).exists(), "half a file has the output's name")
            report = json.loads(run(program, [*words, "--json"], folder))
            demand(report["resumed_rows"] > 0, f"it began anew: {report}")
            demand(
                (folder / out).read_bytes() == (folder / whole).read_bytes(), "other bytes than undisturbed"
            )
            demand(not glob.glob(f"{folder}/.trimtab-score-*"), "its folder is left over")
        # What was begun for other files is no help.
        demand(kill_within(program, words, folder, FILES // 3), "it was too quick to be killed")
        os.utime(folder / files[0])
        report = json.loads(run(program, [*words, "--json"], folder))
        demand(report["resumed_rows"] == 0, f"it went on with another file: {report}")
