#!/usr/bin/env python3
"""mlflow-skinny, the client without pandas and numpy, keeps runs, files and models.

Runs in the environment of requirements_skinny.txt; run.py starts it there. What is set is the address alone.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

os.environ.update({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true"})

import mlflow  # noqa: E402  reads the environment when it is imported
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from journey import EmptyRecord, main  # noqa: E402


class Skinny(EmptyRecord):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        mlflow.set_tracking_uri(cls.address)

    def setUp(self):
        self.client = MlflowClient()
        self.experiment = mlflow.set_experiment(self.id()).experiment_id

    def test_it_is_the_small_client(self):
        self.assertIsNone(importlib.util.find_spec("pandas"))
        self.assertIsNone(importlib.util.find_spec("numpy"))

    def test_runs_are_kept_nested_and_searched(self):
        with mlflow.start_run(run_name="outer") as outer:
            for depth in range(3):
                with mlflow.start_run(run_name=f"inner {depth}", nested=True):
                    mlflow.log_params({"depth": depth, "kind": "tree"})
                    for step in range(4):
                        mlflow.log_metric("loss", depth + 1 / (step + 1), step=step)
                    mlflow.set_tag("team", "red")
        found = mlflow.search_runs(
            filter_string=f"tags.mlflow.parentRunId = '{outer.info.run_id}' AND metrics.loss < 2",
            order_by=["metrics.loss DESC"],
            output_format="list",
        )
        self.assertEqual([run.info.run_name for run in found], ["inner 1", "inner 0"])
        self.assertEqual(found[0].data.params, {"depth": "1", "kind": "tree"})
        history = self.client.get_metric_history(found[1].info.run_id, "loss")
        self.assertEqual([point.value for point in history], [1, 1 / 2, 1 / 3, 1 / 4])
        self.client.delete_run(found[0].info.run_id)
        self.assertEqual(len(self.client.search_runs([self.experiment], "tags.team = 'red'")), 2)

    def test_a_batch_is_kept(self):
        run = self.client.create_run(self.experiment).info.run_id
        metrics = [Metric(f"m{i}", i, 1, 0) for i in range(500)]
        self.client.log_batch(run, metrics=metrics, params=[Param("p", "1")], tags=[RunTag("t", "1")])
        kept = self.client.get_run(run).data
        self.assertEqual((len(kept.metrics), kept.params, kept.tags["t"]), (500, {"p": "1"}, "1"))

    def test_files_go_there_and_back(self):
        with mlflow.start_run() as run:
            mlflow.log_dict({"a": [1, 2]}, "notes/a.json")
            mlflow.log_text("hello", "notes/deep/b.txt")
        listed = sorted(file.path for file in self.client.list_artifacts(run.info.run_id, "notes"))
        self.assertEqual(listed, ["notes/a.json", "notes/deep"])
        self.assertEqual(mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/notes/a.json"), {"a": [1, 2]})
        folder = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/notes")
        self.assertEqual((pathlib.Path(folder) / "deep/b.txt").read_text(encoding="utf-8"), "hello")

    def test_models_are_registered_named_and_found(self):
        with mlflow.start_run() as run:
            mlflow.log_text("flavors: {}", "model/MLmodel")
        self.client.create_registered_model("small", tags={"team": "red"})
        source = f"runs:/{run.info.run_id}/model"
        version = self.client.create_model_version("small", source, run.info.run_id)
        self.client.set_registered_model_alias("small", "champion", version.version)
        by_alias = self.client.get_model_version_by_alias("small", "champion")
        self.assertEqual((by_alias.version, by_alias.run_id), ("1", run.info.run_id))
        found = self.client.search_model_versions(f"run_id = '{run.info.run_id}'")
        self.assertEqual([(each.name, each.version) for each in found], [("small", "1")])
        text = mlflow.artifacts.load_text("models:/small@champion/MLmodel")
        self.assertEqual(text, "flavors: {}")
        self.client.delete_registered_model_alias("small", "champion")
        with self.assertRaisesRegex(MlflowException, "Registered model alias champion not found"):
            self.client.get_model_version_by_alias("small", "champion")

    def test_a_traced_function_is_kept(self):
        double = mlflow.trace(lambda number: number * 2, name="double")
        double(21)
        mlflow.flush_trace_async_logging()
        traces = mlflow.search_traces(return_type="list")
        self.assertEqual([span.outputs for trace in traces for span in trace.data.spans], [42])

    def test_its_command_line_knows_the_server(self):
        run = self.client.create_run(self.experiment, run_name="listed")
        program = str(pathlib.Path(sys.executable).parent / "mlflow")
        for words, expected in (
            (["runs", "describe", "--run-id", run.info.run_id], '"run_name": "listed"'),
            (["experiments", "search"], self.id()),
        ):
            done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(expected, done.stdout)


if __name__ == "__main__":
    sys.exit(main(Skinny))
