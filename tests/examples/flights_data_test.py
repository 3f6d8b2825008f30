#!/usr/bin/env python3
"""The layout of the flights example: every row is there once, and the folder is whole or not there."""

import collections
import csv
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples/flights/get_data.py"
sys.path.insert(0, str(SCRIPT.parent))

import get_data  # noqa: E402  pylint: disable=wrong-import-position


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


class FlightsData(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name) / "data"
        done = run("--to", cls.folder)
        assert done.returncode == 0, done.stderr
        cls.line = done.stdout

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_says_in_one_line_what_is_there(self):
        self.assertEqual(
            self.line,
            f"{self.folder}: 336,776 flights, 26,115 hours of weather and 3,322 planes in 732 files\n",
        )

    def test_every_row_is_there_once_and_unchanged(self):
        source = get_data.read_pinned()
        with zipfile.ZipFile(io.BytesIO(source["flights.csv.zip"])) as archive:
            source["flights.csv"] = archive.read("flights.csv")
        for part in ("flights", "weather"):
            wanted_header, *wanted = source[f"{part}.csv"].splitlines(keepends=True)
            rows = []
            for path in (self.folder / part).iterdir():
                header, *lines = path.read_bytes().splitlines(keepends=True)
                self.assertEqual(header, wanted_header)
                rows += lines
            self.assertEqual(collections.Counter(rows), collections.Counter(wanted))
        for name in get_data.PLAIN_FILES:
            self.assertEqual((self.folder / name).read_bytes(), source[name])

    def test_a_file_has_the_rows_of_its_day_in_order(self):
        with open(self.folder / "flights/2013-02-09.csv", encoding="utf-8", newline="") as file:
            flights = list(csv.DictReader(file))
        self.assertEqual({(row["year"], row["month"], row["day"]) for row in flights}, {("2013", "2", "9")})
        order = [(int(row["sched_dep_time"]), row["carrier"], int(row["flight"])) for row in flights]
        self.assertEqual(order, sorted(order))
        with open(self.folder / "weather/2013-02-09.csv", encoding="utf-8", newline="") as file:
            self.assertEqual({row["time_hour"][:10] for row in csv.DictReader(file)}, {"2013-02-09"})

    def test_a_second_run_changes_nothing(self):
        before = {path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}
        self.assertEqual(run("--to", self.folder).returncode, 0)
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}, before)

    def test_what_a_killed_run_left_is_replaced(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / "data"
            (folder / "flights").mkdir(parents=True)
            (folder / "flights/2013-01-01.csv").write_text("half a f")
            (pathlib.Path(scratch) / ".data-abc").mkdir()
            self.assertFalse(get_data.is_complete(folder))
            get_data.write_folder({"flights/2013-01-01.csv": b"a whole file\n"}, folder)
            self.assertTrue(get_data.is_complete(folder))
            self.assertEqual((folder / "flights/2013-01-01.csv").read_bytes(), b"a whole file\n")
            self.assertEqual([path.name for path in pathlib.Path(scratch).iterdir()], ["data"])

    def test_a_folder_that_lost_a_file_is_not_complete(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / "data"
            get_data.write_folder({"a.csv": b"a\n", "b/c.csv": b"b\n"}, folder)
            self.assertTrue(get_data.is_complete(folder))
            (folder / "b/c.csv").unlink()
            self.assertFalse(get_data.is_complete(folder))

    def test_a_lost_row_is_noticed(self):
        with self.assertRaisesRegex(get_data.Failure, "flights has 1 rows, 336,776 are expected"):
            get_data.count_rows({"flights/2013-01-01.csv": b"header\nrow\n"})

    def test_another_archive_is_refused(self):
        with tempfile.TemporaryDirectory() as scratch:
            other = pathlib.Path(scratch) / "other.tar.gz"
            other.write_bytes(b"something else")
            done = run(other, "--to", pathlib.Path(scratch) / "data")
            self.assertEqual(done.returncode, 1)
            self.assertIn("is not the pinned archive", done.stderr)
            self.assertFalse((pathlib.Path(scratch) / "data").exists())


if __name__ == "__main__":
    unittest.main()
