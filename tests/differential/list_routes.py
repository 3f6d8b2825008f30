#!/usr/bin/env python3
"""Prints every method and path that MLflow's server registers; run it with the Python that has MLflow.

routes.txt was made from it: list_routes.py | sort -k2, with what this server does for each behind it.
"""

import re

from mlflow.server import app, handlers

FOUND = {(method, path) for path, _, methods in handlers.get_endpoints() for method in methods} | {
    (method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}
}

for method, path in sorted(FOUND, key=lambda pair: (pair[1], pair[0])):
    # The second prefix is the web page's; every path of the first one has it as well.
    if not path.startswith("/ajax-api/") or ("/api/" + path[len("/ajax-api/") :]) not in {
        p for _, p in FOUND
    }:
        print(method, re.sub(r"<(?:path:)?(\w+)>", r"{\1}", path))
