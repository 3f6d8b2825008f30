"""Evidently's default drift preset as a filter: JSON lines of rows in, one verdict a line out.

A line is a reference or a batch to hold against the last one. Runs in an environment of its own
(evidently_requirements.txt).
"""

import json
import os
import sys

os.environ["DO_NOT_TRACK"] = "1"

import pandas  # noqa: E402
from evidently import DataDefinition, Dataset, Report  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402

NUMERIC = [f"x{i}" for i in range(1, 10)]
DEFINITION = DataDefinition(numerical_columns=NUMERIC, categorical_columns=["site", "kind"])


def dataset(columns):
    frame = pandas.DataFrame(columns)
    for name in NUMERIC:
        frame[name] = pandas.to_numeric(frame[name], errors="coerce")
    return Dataset.from_pandas(frame, data_definition=DEFINITION)


def main():
    reference = None
    for line in sys.stdin:
        message = json.loads(line)
        current = dataset(message["columns"])
        if message["what"] == "reference":
            reference = current
            continue
        metrics = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"]
        drifted = next(
            metric for metric in metrics if metric["metric_name"].startswith("DriftedColumnsCount")
        )
        # The preset's own rule: the data set has drifted when half of its columns have.
        print(json.dumps({"share": float(drifted["value"]["share"])}), flush=True)


if __name__ == "__main__":
    main()
