"""Runs with metrics, written straight into the database of a stopped server: ours, or MLflow's."""

import contextlib
import random
import sqlite3

EXPERIMENT = 1
BUSY = 1024  # The first runs are still running: works log to these. The others have ended.
KEYS = ["acc", "loss", "lr", "val"]
START_MS = 1_600_000_000_000


def run_ids(count):
    """The same ids in every database."""
    chance = random.Random(1)
    return [f"{chance.getrandbits(128):032x}" for _ in range(count)]


def points_of(number, points):
    """(key, timestamp, step, value) of one run: curves of all keys, values with all their digits."""
    chance = random.Random(number)
    steps = points // len(KEYS)
    for key in KEYS:
        for step in range(steps):
            yield key, START_MS + number * 1000 + step, step, chance.random()


def status_of(number):
    return "RUNNING" if number < BUSY else "FINISHED"


def params_of(number):
    return [("learning_rate", str(number % 10)), ("depth", str(number % 7)), ("seed", str(number))]


def seed_ours(path, runs, points):
    """`points` points a run, as the rows of the journal that SQL can write; the server seals them."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        moment = (START_MS, START_MS)
        database.execute(
            "INSERT INTO experiment (id, name, created_ms, updated_ms, artifact_location)"
            " VALUES (?, 'bench', ?, ?, 'mlflow-artifacts:/1')",
            (EXPERIMENT, *moment),
        )
        ids = run_ids(runs)
        database.executemany(
            "INSERT INTO run (number, id, experiment_id, name, status, start_ms) VALUES (?, ?, ?, ?, ?, ?)",
            (
                (number + 1, run, EXPERIMENT, f"run-{number}", status_of(number), START_MS + number)
                for number, run in enumerate(ids)
            ),
        )
        database.executemany(
            "INSERT INTO run_param VALUES (?, ?, ?)",
            ((number + 1, *param) for number in range(runs) for param in params_of(number)),
        )
        database.executemany(
            "INSERT INTO metric_journal (run, body) VALUES (?, ?)",
            ((number + 1, journal_text(number, points)) for number in range(runs)),
        )


def journal_text(number, points):
    cells = (f'["{key}",{time},{step},"{value!r}"]' for key, time, step, value in points_of(number, points))
    return f"[{','.join(cells)}]"


def seed_mlflow(path, runs, points):
    """The same runs in MLflow's tables."""
    ids = run_ids(runs)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time,"
            " last_update_time) VALUES (?, 'bench', 'mlflow-artifacts:/1', 'active', ?, ?)",
            (EXPERIMENT, START_MS, START_MS),
        )
        database.executemany(
            "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage,"
            " artifact_uri, experiment_id) VALUES (?, ?, 'UNKNOWN', '', ?, ?, 'active', ?, ?)",
            (
                (
                    run,
                    f"run-{number}",
                    status_of(number),
                    START_MS + number,
                    f"mlflow-artifacts:/{EXPERIMENT}/{run}/artifacts",
                    EXPERIMENT,
                )
                for number, run in enumerate(ids)
            ),
        )
        database.executemany(
            "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)",
            ((run, *param) for number, run in enumerate(ids) for param in params_of(number)),
        )
        insert_metrics(
            database, ((run, point) for number, run in enumerate(ids) for point in points_of(number, points))
        )
        database.execute(
            "INSERT INTO latest_metrics (run_uuid, key, timestamp, step, value, is_nan)"
            " SELECT run_uuid, key, timestamp, max(step), value, 0 FROM metrics GROUP BY run_uuid, key"
        )


def insert_metrics(database, rows):
    database.executemany(
        "INSERT INTO metrics (run_uuid, key, timestamp, step, value, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
        ((run, *point) for run, point in rows),
    )


CURVE = "long_curve"


def curve(points):
    """One long curve, of the first run."""
    chance = random.Random(0)
    return [(CURVE, START_MS + step, step, chance.random()) for step in range(points)]


def seed_curve_ours(path, points):
    """In rows of a thousand points, as clients send them."""
    cells = [f'["{key}",{time},{step},"{value!r}"]' for key, time, step, value in curve(points)]
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.executemany(
            "INSERT INTO metric_journal (run, body) VALUES (1, ?)",
            ((f"[{','.join(cells[at : at + 1000])}]",) for at in range(0, points, 1000)),
        )


def seed_curve_mlflow(path, points):
    run = run_ids(1)[0]
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        insert_metrics(database, ((run, point) for point in curve(points)))
