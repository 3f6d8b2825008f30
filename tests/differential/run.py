#!/usr/bin/env python3
"""Sends the requests of requests.txt to this server and compares its answers with MLflow's.

MLflow's answers stand in mlflow-3.17.2.jsonl, so that a test run need not start MLflow:
    run.py --program bin/trimtab                     compare with the record
    run.py --program bin/trimtab --mlflow MLFLOW     compare with a live server; MLFLOW is its program
    run.py --record --mlflow MLFLOW                  make the record anew
The format of requests.txt is described at its head.
"""

import argparse
import difflib
import hashlib
import http.client
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse

FOLDER = pathlib.Path(__file__).resolve().parent
# Each suite meets a fresh server: its requests, and MLflow's answers to them.
SUITES = {
    "requests": (FOLDER / "requests.txt", FOLDER / "mlflow-3.17.2.jsonl"),
    "models": (FOLDER / "models.txt", FOLDER / "mlflow-3.17.2-models.jsonl"),
    "surface": (FOLDER / "surface.txt", FOLDER / "mlflow-3.17.2-surface.jsonl"),
}
ROUTES = FOLDER / "routes.txt"
RANDOM_NAME = re.compile(r"^[a-z]+-[a-z]+-\d+$")
SOME_ID = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
PYTHON_SET = re.compile(r"\{('[^{}:]*')\}")  # Of no order.
TIMES = ("_time", "_timestamp", "_timestamp_ms")
LONG = 300  # Longer texts of an answer are recorded by their length.


class Request:
    """One request as it is sent, with what is to be kept of its answer and what may differ."""

    def __init__(self, method, path, body, keep, reduce, place):
        self.method, self.path, self.body = method, path, body
        self.keep, self.reduce, self.place = keep, reduce, place
        self.note = None

    def text(self):
        text = f"{self.method} {self.path} {self.body or ''}".strip()
        return text if len(text) <= LONG else f"{text[:LONG]}… {len(text)}"

    def key(self):
        """What tells that an answer in the record is of this request."""
        return hashlib.sha256(f"{self.method} {self.path} {self.body}".encode()).hexdigest()[:8]


def search_request(what, text):
    """`runs? FILTER ; ORDER, ORDER` as a request."""
    where, _, order = text.partition("; ")
    body = {"filter": where.strip(), "max_results": 100}
    if order:
        body["order_by"] = [clause.strip() for clause in order.split(",")]
    if what == "runs":
        body["experiment_ids"] = ["$s"]
    return "POST", f"{what}/search", json.dumps(body, ensure_ascii=False)


def grown(text):
    """`<<x*300>>` is 300 times x; `<<metrics 3>>` are three metrics, and so for params and tags."""
    text = re.sub(r"<<(\S)\*(\d+)>>", lambda found: found[1] * int(found[2]), text)

    def entries(found):
        def entry(i):
            if found[1] == "metrics":
                return {"key": f"m{i}", "value": i, "timestamp": i}
            return {"key": f"{found[1][0]}{i}", "value": "v"}

        return ",".join(json.dumps(entry(i)) for i in range(int(found[2])))

    return re.sub(r"<<(metrics|params|tags) (\d+)>>", entries, text)


def variants(line):
    """A line with [[a || b]] is as many requests."""
    parts = re.split(r"\[\[(.*?)\]\](?!\])", line)
    choices = [[part] if i % 2 == 0 else part.split(" || ") for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def parse(line, place):
    line, _, keep = line.partition(" => ")
    kept = dict(pair.split("=", 1) for pair in keep.split()) if keep else {}
    short = re.match(r"(runs|experiments)\? ?(.*)$", line)
    if short:
        method, path, body = search_request(short[1], short[2])
        return Request(method, path, body, kept, True, place)
    method, path, *rest = line.split(" ", 1 if line.startswith("GET") else 2)
    return Request(method, path, grown(rest[0]) if rest else None, kept, False, place)


def read_requests(file):
    requests, group = [], []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("! "):
            kind, reason = line[2:].split(" ", 1)
            for request in group:
                request.note = (kind, reason)
            continue
        group = [parse(variant, f"{file.name}:{number}") for variant in variants(line)]
        requests += group
    return requests


class Server:
    """A server under test, what was kept of its answers, and its answers made comparable."""

    def __init__(self, port):
        self.port, self.kept, self.connection = port, {}, None

    def filled(self, text):
        for name, value in self.kept.items():
            text = re.sub(rf"\${name}\b", lambda _, value=value: value, text)
        return text

    def send(self, request):
        path = self.filled(request.path)
        if not path.startswith("/"):
            path = "/api/2.0/mlflow/" + path
        path = urllib.parse.quote(path, safe="/?&=$*+:,;@!.~-_'()")
        body = None if request.body is None else self.filled(request.body).encode()
        headers = {"Content-Type": "application/json"} if request.method in ("POST", "PATCH", "PUT") else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(request.method, path, body, headers)
        reply = connection.getresponse()
        text = reply.read().decode("utf-8", "replace")
        connection.close()
        return self.comparable(request, reply.status, text)

    def comparable(self, request, status, text):
        """[status, body] without ids, times, and what MLflow alone adds."""
        try:
            body = json.loads(text)
        except ValueError:
            return [status, "<html>" if text.startswith("<!doctype") else text]
        for name, way in request.keep.items():
            value = body
            for step in way.split("."):
                value = value[int(step)] if isinstance(value, list) else value.get(step, "")
            self.kept[name] = str(value)
        if isinstance(body, dict) and "error_code" in body:
            body = {"error_code": body["error_code"], "message": body["message"]}
        if request.reduce and status == 200:
            body = reduced(body)
        return [status, self.without_ids(body, "")]

    def without_ids(self, value, name):
        if isinstance(value, dict):
            # The order of a run's metrics is of no meaning; that of a history is.
            inside = {key: f"{name}.{key}" if name == "data" else key for key in value}
            return {key: self.without_ids(item, inside[key]) for key, item in sorted(value.items())}
        if isinstance(value, list):
            items = [self.without_ids(item, "") for item in value]
            is_set = name == "tags" or name.startswith("data.")
            return sorted(items, key=json.dumps) if is_set else items
        if isinstance(value, str):
            if RANDOM_NAME.match(value):
                return "<name>"
            for known, text in sorted(self.kept.items(), key=lambda item: -len(item[1])):
                if len(text) >= 8:
                    value = value.replace(text, "$" + known)
            value = SOME_ID.sub("<id>", value)
            value = PYTHON_SET.sub(lambda found: "{%s}" % ", ".join(sorted(found[1].split(", "))), value)
            return value if len(value) <= LONG else f"{value[:40]}… {len(value)}"
        if isinstance(value, int) and value > 10**12 and name.endswith(TIMES):
            return "<time>"
        return value


def reduced(body):
    """Of a search only the names that were found."""
    runs = [run["info"]["run_name"] for run in body.get("runs", [])]
    return runs + [experiment["name"] for experiment in body.get("experiments", [])]


def difference(request, theirs, ours):
    """What is wrong with our answer, or None."""
    kind, reason = request.note or ("", "")
    if kind.isdigit():
        if ours[0] != int(kind):
            return f"expected {kind} ({reason}), got {ours}"
        return None if ours != theirs else "there is no difference any more: remove the note"
    if kind == "body":
        return None if ours[0] == theirs[0] else f"expected status {theirs[0]}, got {ours}"
    if kind == "message":
        codes = [
            answer[1].get("error_code") if isinstance(answer[1], dict) else None for answer in (theirs, ours)
        ]
        return None if (ours[0], codes[0]) == (theirs[0], codes[1]) else f"expected {theirs}, got {ours}"
    if kind:
        return f"'{kind}' is no kind of difference"
    if ours == theirs:
        return None
    texts = [json.dumps(answer, indent=1, sort_keys=True).splitlines() for answer in (theirs, ours)]
    return "\n".join(
        ["MLflow's answer (-) and ours (+) differ:", *difflib.unified_diff(*texts, "", "", n=1)][0:1]
        + list(difflib.unified_diff(*texts, n=1, lineterm=""))[2:]
    )


def start_trimtab(program, folder):
    process = subprocess.Popen(
        [os.path.abspath(program), "serve", "--home", str(folder / "home"), "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, int(process.stdout.readline().rsplit(":", 1)[1])


def start_mlflow(program, folder):
    port = 5973
    process = subprocess.Popen(
        [program, "server", "--backend-store-uri", f"sqlite:///{folder}/m.db", "--port", str(port)]
        + ["--workers", "1", "--artifacts-destination", f"{folder}/artifacts"],
        cwd=folder,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().read() == b"OK":
                return process, port
        except OSError:
            time.sleep(0.5)
    raise SystemExit("MLflow's server does not answer")


def answers_of(start, program, requests):
    """All answers of a server that is started for it."""
    with tempfile.TemporaryDirectory() as name:
        process, port = start(program, pathlib.Path(name))
        try:
            server, answers = Server(port), []
            for request in requests:
                try:
                    answers.append(server.send(request))
                except (OSError, http.client.HTTPException) as error:
                    raise SystemExit(f"{request.place}: {request.text()}\nno answer: {error}") from error
            return answers
        finally:
            process.terminate()
            process.wait(timeout=60)
            if process.stdout:
                process.stdout.close()


def read_routes():
    """(method, path, why it is not served or None) of every route of MLflow's, with its second prefix."""
    for line in ROUTES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        route, _, reason = line.partition(" - ")
        method, path = route.split()
        yield method, path, reason
        if path.startswith("/api/"):
            yield method, "/ajax-api/" + path[len("/api/") :], reason


def wrong_routes(port):
    """How many were asked for, and what is not as routes.txt says."""
    server = Server(port)
    document = server.send(Request("GET", "/openapi.json", None, {}, False, ""))[1]["paths"]
    known = {(m.upper(), re.sub(r"{\w+}", "{}", path)) for path, methods in document.items() for m in methods}
    asked, wrong = 0, []
    for method, path, reason in read_routes():
        asked += 1
        if not reason:
            if (method, re.sub(r"{\w+}", "{}", path)) not in known:
                wrong.append(f"{method} {path} is not served")
            continue
        status, body = server.send(Request(method, re.sub(r"{\w+}", "x", path), "{}", {}, False, ""))
        if status != 404 or not isinstance(body, dict) or body.get("error_code") != "ENDPOINT_NOT_FOUND":
            wrong.append(f"{method} {path} is answered with {status} {body}")
    return asked, wrong


def check_routes(program):
    with tempfile.TemporaryDirectory() as name:
        process, port = start_trimtab(program, pathlib.Path(name))
        try:
            asked, wrong = wrong_routes(port)
        finally:
            process.terminate()
            process.wait(timeout=60)
            process.stdout.close()
    print("\n".join([*wrong, f"{asked} routes, {len(wrong)} not as routes.txt says"]))
    return asked, len(wrong)


def read_record(file, requests):
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if [line[0] for line in lines] != [request.key() for request in requests]:
        raise SystemExit(f"{file.name} is the record of other requests; make it anew with --record")
    return [line[1:] for line in lines]


def write_record(file, requests, answers):
    lines = [
        json.dumps([request.key(), *answer], ensure_ascii=False, separators=(",", ":"))
        for request, answer in zip(requests, answers)
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program")
    parser.add_argument("--mlflow", help="the program of MLflow 3.17.2")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--suite", choices=SUITES, help="only this one")
    parser.add_argument("--json")
    options = parser.parse_args()
    sent = failed = 0
    for name in [options.suite] if options.suite else SUITES:
        file, record = SUITES[name]
        requests = read_requests(file)
        sent += len(requests)
        if options.record:
            write_record(record, requests, answers_of(start_mlflow, options.mlflow, requests))
        else:
            failed += compare(options, requests, record)
    if not options.record and not options.suite:
        asked, wrong = check_routes(options.program)
        sent += asked
        failed += wrong
    if options.record:
        print(f"{sent} answers recorded")
    if options.json:
        totals = {"passed": sent - failed, "failed": failed}
        pathlib.Path(options.json).write_text(json.dumps(totals), encoding="utf-8")
    return 1 if failed else 0


def compare(options, requests, record):
    """How many of our answers differ from MLflow's, and nobody says why."""
    if options.mlflow:
        theirs = answers_of(start_mlflow, options.mlflow, requests)
    else:
        theirs = read_record(record, requests)
    ours = answers_of(start_trimtab, options.program, requests)
    failed = 0
    for request, expected, got in zip(requests, theirs, ours):
        wrong = difference(request, expected, got)
        if wrong:
            failed += 1
            print(f"{request.place}: {request.text()}\n{wrong}\n")
    noted = sum(request.note is not None for request in requests)
    print(f"{len(requests)} requests, {noted} with an accepted difference, {failed} with another one")
    return failed


if __name__ == "__main__":
    sys.exit(main())
