"""Predictions over HTTP against `mlflow models serve` and MLServer on the same LightGBM model, wrk -t1 -c16.

Ours takes the raw row (texts, a join with weather, a join with aircraft) and does the recipe's work; the
peers get the encoded numbers and only have to run the model. The rows "of numbers" ask the same of both: a
model of the same size whose features are the numbers that are sent. gRPC: one Python client in a loop for
both.
"""

import contextlib
import json
import math
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile

from load import wait_until, wrk
from run import ROOT, Row

EXAMPLE = ROOT / "examples/flights"
HOME = EXAMPLE / ".trimtab"
COLUMNS = ["sched_dep", "carrier", "origin", "dest", "distance", "tailnum"]
VALUES = ["2013-03-31T21:45:00Z", "UA", "LGA", "ORD", 733, "N37422"]
BATCH = 1000
OURS = {"dataframe_split": {"columns": COLUMNS, "data": [VALUES]}}
OURS_MANY = {"dataframe_split": {"columns": COLUMNS, "data": [VALUES] * BATCH}}


def prepare(program, project=EXAMPLE, home=HOME):
    """A project applied; the text of the model that serves, and the names of its features."""
    if project == EXAMPLE and not (EXAMPLE / "data/planes.csv").exists():
        subprocess.run([sys.executable, str(EXAMPLE / "get_data.py")], check=True, stdout=sys.stderr)
    subprocess.run([program, "apply", str(project), "--home", str(home)], check=True, stdout=sys.stderr)
    with contextlib.closing(sqlite3.connect(f"file:{home}/meta.db?mode=ro", uri=True)) as database:
        version = database.execute("SELECT serving_version FROM endpoint WHERE name = 'late'").fetchone()[0]
        files = dict(
            database.execute(
                "SELECT path, blob_sha256 FROM artifact WHERE root = ?", (f"model/late/{version}",)
            ).fetchall()
        )
    blob = {name: home / "blobs" / sha[:2] / sha for name, sha in files.items()}
    recipe = json.loads(blob["recipe.json"].read_text(encoding="utf-8"))
    return blob["model.txt"].read_text(encoding="utf-8"), [f["name"] for f in recipe["features"]]


def write_numbers(folder):
    """A project whose model takes 18 numbers as they are, in trees of the example's size."""
    names = [f"x{i}" for i in range(18)]
    draw = random.Random(1)
    lines = [",".join(["at", *names, "label"])]
    for row in range(20_000):
        x = [round(draw.gauss(0, 1), 3) for _ in names]
        label = x[0] + x[1] * x[2] + abs(x[3]) + draw.gauss(0, 1) > 1
        at = f"2024-{1 + row % 12:02}-{1 + row % 28:02}T{row % 24:02}:00:00Z"
        lines.append(",".join([at, *map(str, x), str(int(label))]))
    (folder / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "trimtab.yaml").write_text(
        f"""project: numbers
sources: {{rows: {{read: rows.csv, time: at}}}}
tables: {{plain: {{from: rows}}}}
models:
  late:
    from: plain
    task: binary
    target: label = 1
    label_delay: 1d
    features: [{", ".join(names)}]
    split: {{by: time, test: 14d}}
    learner: {{lightgbm: {{rounds: 100, leaves: 31, learning_rate: 0.08, min_data_in_leaf: 100}}}}
endpoints: {{late: {{model: late, batch: 1d}}}}
""",
        encoding="utf-8",
    )


def save_peer(folder, text, names):
    """The same trees as an MLflow model with a signature of doubles."""
    import lightgbm
    import mlflow.lightgbm
    from mlflow.models.signature import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    signature = ModelSignature(inputs=Schema([ColSpec("double", name) for name in names]))
    mlflow.lightgbm.save_model(lightgbm.Booster(model_str=text), folder, signature=signature)


def load(folder, url, body, seconds=4):
    """(requests a second, p50 ms, p99 ms) of one wrk run."""
    script = pathlib.Path(folder) / "post.lua"
    method = "GET" if body is None else "POST"
    text = json.dumps(json.dumps(body)) if body is not None else '""'
    script.write_text(
        f'wrk.method = "{method}"\nwrk.body = {text}\nwrk.headers["Content-Type"] = "application/json"\n',
        encoding="utf-8",
    )
    seen = wrk(url, script, seconds=seconds)
    if seen.refused:
        raise RuntimeError(f"{url} refused {seen.refused} requests")
    return seen.per_second, seen.p50_ms, seen.p99_ms


@contextlib.contextmanager
def our_server(program, project=EXAMPLE, home=HOME):
    """The addresses for HTTP and for gRPC."""
    process = subprocess.Popen(
        [program, "serve", str(project), "--home", str(home), "--port", "0", "--grpc-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield [process.stdout.readline().strip().rsplit(" ", 1)[1] for _ in range(2)]
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def peer_server(folder):
    bin_folder = pathlib.Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [
        str(bin_folder / "mlflow"),
        "models",
        "serve",
        "-m",
        str(folder),
        "-p",
        "5907",
        "--env-manager",
        "local",
    ]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(5907, "/ping", process)
        yield "http://127.0.0.1:5907"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def oip_python():
    """The interpreter of an environment with MLServer, which does not go together with MLflow's."""
    made = subprocess.run(
        ["python3", "cmake/dependencies.py", "venv", "bench_oip", "bench/requirements_oip.txt"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return made.stdout.strip()


@contextlib.contextmanager
def oip_server(python, folder, text):
    """MLServer with one process of its own for the model, its default; the addresses for HTTP and gRPC."""
    folder.mkdir()
    (folder / "model.bst").write_text(text, encoding="utf-8")
    model = {
        "name": "late",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": "./model.bst", "version": "1"},
    }
    ports = {"http_port": 5908, "grpc_port": 5909, "metrics_port": 5910, "host": "127.0.0.1", "debug": False}
    (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    (folder / "settings.json").write_text(json.dumps(ports), encoding="utf-8")
    process = subprocess.Popen(
        [str(pathlib.Path(python).parent / "mlserver"), "start", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(5908, "/v2/models/late/ready", process)
        yield "http://127.0.0.1:5908", "127.0.0.1:5909"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def loop(python, address, inputs, seconds=3):
    """(requests a second, p50 ms) of one gRPC client."""
    command = [python, str(ROOT / "bench/oip_load.py"), address, "late", str(seconds), json.dumps(inputs)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def ours_as_tensors():
    kinds = {str: "BYTES", int: "INT64"}
    return [
        {"name": name, "datatype": kinds[type(value)], "values": [value]}
        for name, value in zip(COLUMNS, VALUES, strict=True)
    ]


def against_mlflow(ours, folder, names, rounds):
    peer = "mlflow models serve"
    speed = Row("one row a request", "requests/s", peer, goal=75)
    middle = Row("one row a request, p50", "ms", peer, goal=100, more_is_better=False)
    tail = Row("one row a request, p99", "ms", peer, more_is_better=False)
    many = Row(f"{BATCH} rows a request", "requests/s", peer, goal=30)
    constant = Row("against a constant of the same server", "requests/s", "GET /healthz", goal=0.7)
    values = [float(i) for i in range(len(names))]
    bodies = [{"dataframe_split": {"columns": names, "data": [values] * count}} for count in (1, BATCH)]
    with peer_server(folder / "model") as theirs:
        for number in range(rounds + 1):
            one = load(folder, f"{ours}/endpoints/late/invocations", OURS)
            two = load(folder, f"{theirs}/invocations", bodies[0])
            steady = load(folder, f"{ours}/healthz", None, 2)
            batches = (
                load(folder, f"{ours}/endpoints/late/invocations", OURS_MANY)[0],
                load(folder, f"{theirs}/invocations", bodies[1])[0],
            )
            if number == 0:
                continue  # Warm-up.
            for row, index in ((speed, 0), (middle, 1), (tail, 2)):
                row.ours.append(one[index])
                row.theirs.append(two[index])
            many.ours.append(batches[0])
            many.theirs.append(batches[1])
            constant.ours.append(one[0])
            constant.theirs.append(steady[0])
    assert not math.isnan(speed.ratio())
    return [speed, middle, tail, many, constant]


def of_numbers(program, folder, rounds):
    """The same trees and the same bodies for both."""
    folder.mkdir()
    write_numbers(folder)
    text, names = prepare(program, folder, folder / "home")
    save_peer(folder / "model", text, names)
    rows = [Row(f"{count} rows of numbers", "requests/s", "mlflow models serve") for count in (1, BATCH)]
    draw = random.Random(2)
    values = [[draw.gauss(0, 1) for _ in names] for _ in range(BATCH)]
    bodies = [{"dataframe_split": {"columns": names, "data": values[:count]}} for count in (1, BATCH)]
    with our_server(program, folder, folder / "home") as ours, peer_server(folder / "model") as theirs:
        for number in range(rounds + 1):
            for row, body in zip(rows, bodies, strict=True):
                pair = (
                    load(folder, f"{ours[0]}/endpoints/late/invocations", body)[0],
                    load(folder, f"{theirs}/invocations", body)[0],
                )
                if number == 0:
                    continue  # Warm-up.
                row.ours.append(pair[0])
                row.theirs.append(pair[1])
    return rows


def against_mlserver(ours, folder, text, names, rounds):
    python = oip_python()
    speed = Row("one row a request, /v2", "requests/s", "MLServer", goal=20)
    grpc = Row("one row a call, gRPC, one client", "calls/s", "MLServer")
    values = [float(i) for i in range(len(names))]
    tensors = ours_as_tensors()
    body = {"inputs": [{**t, "shape": [1], "data": t["values"]} for t in tensors]}
    theirs_body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, len(names)], "data": values}]}
    theirs_tensors = [{"name": "x", "datatype": "FP64", "values": [values]}]
    with oip_server(python, folder / "oip", text) as theirs:
        for number in range(rounds + 1):
            pair = (
                load(folder, f"{ours[0]}/v2/models/late/infer", body)[0],
                load(folder, f"{theirs[0]}/v2/models/late/infer", theirs_body)[0],
            )
            calls = (loop(python, ours[1], tensors)[0], loop(python, theirs[1], theirs_tensors)[0])
            if number == 0:
                continue  # Warm-up.
            for row, (own, other) in ((speed, pair), (grpc, calls)):
                row.ours.append(own)
                row.theirs.append(other)
    return [speed, grpc]


def run(program, rounds, _quick=False):
    text, names = prepare(program)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        save_peer(folder / "model", text, names)
        with our_server(program) as ours:
            raw = [
                *against_mlflow(ours[0], folder, names, rounds),
                *against_mlserver(ours, folder, text, names, rounds),
            ]
        return raw + of_numbers(program, folder / "numbers", rounds)
