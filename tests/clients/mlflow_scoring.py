#!/usr/bin/env python3
"""MLflow's own client of its scoring server, unmodified, asks a served model."""

import os
import sys

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import pandas
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from scored_world import ROWS, ScoredWorld, main


class MlflowScored(ScoredWorld):
    def client(self):
        return ScoringServerClient(*self.predict_address.removeprefix("http://").split(":"))

    def test_a_data_frame_is_scored(self):
        client = self.client()
        client.wait_server_ready()
        self.assertRegex(client.get_version(), r"^\d+\.\d+\.\d+$")
        frame = pandas.DataFrame(ROWS)
        reply = client.invoke(frame, params={"any": 1})
        self.assertEqual(list(reply.get_predictions()[0]), self.expected)
        reply = client.invoke(frame.assign(nobody_knows=1))
        self.assertEqual(list(reply.get_predictions()[0]), self.expected)

    def test_a_missing_column_is_refused_in_mlflows_words(self):
        with self.assertRaisesRegex(Exception, "Failed to enforce schema"):
            self.client().invoke(pandas.DataFrame(ROWS).drop(columns="carrier"))


if __name__ == "__main__":
    sys.exit(main(MlflowScored))
