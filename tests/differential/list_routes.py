#!/usr/bin/env python3
"""Compares routes.txt with the routes that MLflow's server registers; run it with the Python that has MLflow.

Prints what the file lacks (+) and what it has alone (-), and fails if there is any. For the day on which the
pinned MLflow becomes another one. The names in a path's braces make no difference.
"""

import pathlib
import re
import sys

from mlflow.server import app, handlers
from mlflow.server.otel_api import otel_router

FILE = pathlib.Path(__file__).resolve().parent / "routes.txt"
# The web page and its pictures are no API.
PAGE = ("/", "/build/{}", "/static-files/{}")


def plain(path):
    return re.sub(r"<[^>]*>|{[^}]*}", "{}", path)


def registered():
    """What the server has: of a path with two prefixes, the first."""
    pairs = {(method, path) for path, _, methods in handlers.get_endpoints() for method in methods}
    for rule in app.url_map.iter_rules():
        pairs |= {(method, rule.rule) for method in rule.methods - {"HEAD", "OPTIONS"}}
    for route in otel_router.routes:
        pairs |= {(method, route.path) for method in route.methods}
    pairs = {(method, plain(path)) for method, path in pairs}
    twins = {
        (method, "/ajax-api/" + path.removeprefix("/api/"))
        for method, path in pairs
        if path.startswith("/api/")
    }
    return {f"{method} {path}" for method, path in pairs - twins if path not in PAGE}


def written():
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {plain(line.split(" - ")[0]) for line in lines if line and not line.startswith("#")}


def main():
    theirs, ours = registered(), written()
    for route in sorted(theirs ^ ours):
        print("+" if route in theirs else "-", route)
    return 1 if theirs != ours else 0


if __name__ == "__main__":
    sys.exit(main())
