#!/usr/bin/env python3
"""MLflow's own client, unmodified, keeps its runs on a server that has no project.

Runs in the environment of bench/requirements.txt; run.py starts it there. What is set is the address alone.
"""

import json
import math
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

# So that a failure shows at once and the client tells nobody about it; neither changes what is sent.
os.environ.update({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true"})

import mlflow  # noqa: E402  reads the environment when it is imported
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from journey import EmptyRecord, main  # noqa: E402


class KeptRuns(EmptyRecord):
    """One server with an empty home; every test has an experiment of its own."""

    @classmethod
    def start(cls):
        super().start()
        mlflow.set_tracking_uri(cls.address)

    def setUp(self):
        self.client = MlflowClient()
        self.experiment = mlflow.set_experiment(self.id()).experiment_id

    def test_a_run_keeps_what_is_logged(self):
        with mlflow.start_run(run_name="first", tags={"team": "red"}, description="a note") as run:
            mlflow.log_param("lr", 0.1)
            mlflow.log_params({"depth": 3, "kind": "tree"})
            mlflow.log_metric("acc", 0.5, step=1)
            mlflow.log_metrics({"acc": 0.75, "loss": float("nan"), "cost": float("inf")}, step=2)
            mlflow.set_tag("stage", "try")
            mlflow.set_tags({"a": 1, "b": True})
            self.assertEqual(mlflow.get_artifact_uri(), run.info.artifact_uri)
        kept = mlflow.get_run(run.info.run_id)
        self.assertEqual(kept.info.run_name, "first")
        self.assertEqual(kept.info.status, "FINISHED")
        self.assertGreaterEqual(kept.info.end_time, kept.info.start_time)
        self.assertEqual(kept.data.params, {"lr": "0.1", "depth": "3", "kind": "tree"})
        self.assertEqual(kept.data.metrics["acc"], 0.75)
        self.assertTrue(math.isnan(kept.data.metrics["loss"]))
        self.assertEqual(kept.data.metrics["cost"], sys.float_info.max)
        self.assertEqual(kept.data.tags["mlflow.note.content"], "a note")
        self.assertLessEqual(
            {"team": "red", "stage": "try", "a": "1", "b": "True"}.items(), kept.data.tags.items()
        )

    def test_a_run_without_a_name_gets_one(self):
        with mlflow.start_run() as run:
            pass
        self.assertRegex(run.info.run_name, r"^\w+-\w+-\d+$")
        self.assertEqual(mlflow.get_run(run.info.run_id).data.tags["mlflow.runName"], run.info.run_name)

    def test_a_failure_ends_the_run_as_failed(self):
        with self.assertRaises(ZeroDivisionError), mlflow.start_run() as run:
            _ = 1 / 0
        self.assertEqual(mlflow.get_run(run.info.run_id).info.status, "FAILED")

    def test_nested_runs_are_found_by_their_parent(self):
        with mlflow.start_run() as parent:
            for depth in range(3):
                with mlflow.start_run(nested=True):
                    mlflow.log_param("depth", depth)
        children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
        self.assertEqual(sorted(children["params.depth"]), ["0", "1", "2"])

    def test_search_answers_with_a_frame(self):
        for i in range(5):
            with mlflow.start_run(run_name=f"r{i}"):
                mlflow.log_metric("acc", i / 10)
                mlflow.log_param("kind", "tree" if i % 2 else "line")
        frame = mlflow.search_runs(
            filter_string="metrics.acc > 0.05 AND params.kind = 'tree'", order_by=["metrics.acc DESC"]
        )
        self.assertEqual(list(frame["metrics.acc"]), [0.3, 0.1])
        self.assertEqual(list(frame["tags.mlflow.runName"]), ["r3", "r1"])
        self.assertEqual(set(frame["status"]), {"FINISHED"})
        self.assertEqual(len(mlflow.search_runs(max_results=2)), 2)

    def test_search_goes_through_pages(self):
        names = [f"r{i}" for i in range(7)]
        for i, name in enumerate(names):
            self.client.create_run(self.experiment, run_name=name, start_time=1000 + i)
        found, token = [], None
        while True:
            page = self.client.search_runs(
                [self.experiment], order_by=["start_time ASC"], max_results=3, page_token=token
            )
            found += [run.info.run_name for run in page]
            token = page.token
            if not token:
                break
        self.assertEqual(found, names)

    def test_the_course_of_a_metric_comes_in_order(self):
        run = self.client.create_run(self.experiment)
        for step in range(50):
            self.client.log_metric(run.info.run_id, "loss", 1 / (step + 1), timestamp=1000 + step, step=step)
        history = self.client.get_metric_history(run.info.run_id, "loss")
        self.assertEqual([point.step for point in history], list(range(50)))
        self.assertEqual(history[9].value, 0.1)
        self.assertEqual(history[9].timestamp, 1009)
        self.assertEqual(self.client.get_metric_history(run.info.run_id, "other"), [])

    def test_a_batch_may_be_sent_again(self):
        run = self.client.create_run(self.experiment).info.run_id
        batch = {
            "metrics": [Metric(f"m{i}", i, 1, 0) for i in range(800)],
            "params": [Param(f"p{i}", str(i)) for i in range(90)],
            "tags": [RunTag(f"t{i}", str(i)) for i in range(90)],
        }
        self.client.log_batch(run, **batch)
        self.client.log_batch(run, **batch)
        kept = self.client.get_run(run)
        self.assertEqual(len(kept.data.metrics), 800)
        self.assertEqual(len(kept.data.params), 90)
        self.assertEqual(len(self.client.get_metric_history(run, "m7")), 1)

    def test_a_parameter_keeps_its_first_value(self):
        with mlflow.start_run():
            mlflow.log_param("lr", 1)
            mlflow.log_param("lr", 1)
            with self.assertRaisesRegex(MlflowException, "Changing param values is not allowed"):
                mlflow.log_param("lr", 2)

    def test_a_dataset_is_kept_with_its_context(self):
        import pandas

        frame = pandas.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]})
        with mlflow.start_run() as run:
            mlflow.log_input(mlflow.data.from_pandas(frame, name="small"), context="train")
        [kept] = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
        self.assertEqual(kept.dataset.name, "small")
        self.assertIn('"x"', kept.dataset.schema)
        self.assertEqual({tag.key: tag.value for tag in kept.tags}, {"mlflow.data.context": "train"})
        self.assertEqual(len(mlflow.search_runs(filter_string="datasets.name = 'small'")), 1)

    def test_a_deleted_run_comes_back(self):
        run = self.client.create_run(self.experiment).info.run_id
        self.client.delete_run(run)
        self.assertEqual(self.client.get_run(run).info.lifecycle_stage, "deleted")
        self.assertEqual(self.client.search_runs([self.experiment]), [])
        self.assertEqual(
            len(self.client.search_runs([self.experiment], run_view_type=ViewType.DELETED_ONLY)), 1
        )
        with self.assertRaisesRegex(MlflowException, "must be in the 'active' state"):
            self.client.log_metric(run, "m", 1)
        self.client.restore_run(run)
        self.client.log_metric(run, "m", 1)
        self.assertEqual(self.client.get_run(run).data.metrics, {"m": 1.0})

    def test_a_tag_can_be_removed(self):
        run = self.client.create_run(self.experiment, tags={"a": "1", "b": "2"}).info.run_id
        self.client.delete_tag(run, "a")
        self.assertNotIn("a", self.client.get_run(run).data.tags)
        with self.assertRaisesRegex(MlflowException, "No tag with name: a in run with id"):
            self.client.delete_tag(run, "a")

    def test_an_update_renames_and_ends(self):
        run = self.client.create_run(self.experiment, run_name="old").info.run_id
        self.client.update_run(run, status="KILLED", name="new")
        self.client.set_terminated(run, "FINISHED", end_time=5)
        kept = self.client.get_run(run)
        self.assertEqual((kept.info.run_name, kept.info.status, kept.info.end_time), ("new", "FINISHED", 5))
        self.assertEqual(kept.data.tags["mlflow.runName"], "new")

    def test_experiments_are_made_found_renamed_deleted(self):
        name = self.id() + " made"
        made = mlflow.create_experiment(name, tags={"team": "red"})
        found = mlflow.search_experiments(filter_string=f"tags.team = 'red' AND name = '{name}'")
        self.assertEqual([experiment.experiment_id for experiment in found], [made])
        with self.assertRaisesRegex(MlflowException, "already exists"):
            mlflow.create_experiment(name)
        self.client.rename_experiment(made, name + " 2")
        self.client.set_experiment_tag(made, "k", "v")
        kept = mlflow.get_experiment(made)
        self.assertEqual((kept.name, kept.tags), (name + " 2", {"team": "red", "k": "v"}))
        run = self.client.create_run(made).info.run_id
        mlflow.delete_experiment(made)
        self.assertEqual(mlflow.get_experiment(made).lifecycle_stage, "deleted")
        self.assertEqual(self.client.get_run(run).info.lifecycle_stage, "deleted")
        self.client.restore_experiment(made)
        self.assertEqual(self.client.get_run(run).info.lifecycle_stage, "active")
        self.assertIsNone(mlflow.get_experiment_by_name("nobody"))
        self.assertEqual(mlflow.get_experiment("0").name, "Default")

    def test_a_missing_run_is_named(self):
        with self.assertRaisesRegex(MlflowException, "Run with id=" + "0" * 32 + " not found") as caught:
            mlflow.get_run("0" * 32)
        self.assertEqual(caught.exception.error_code, "RESOURCE_DOES_NOT_EXIST")

    def test_everything_is_there_after_a_restart(self):
        with mlflow.start_run(run_name="before") as run:
            mlflow.log_metric("acc", 0.5, step=1)
            mlflow.log_metric("acc", 0.6, step=2)
            mlflow.log_param("p", "1")
        type(self).stop()
        command = [self.program, "fsck", "--home", "home"]
        done = subprocess.run(command, cwd=self.folder.name, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "The home is whole.\n"), done.stderr)
        type(self).start()
        kept = mlflow.get_run(run.info.run_id)
        self.assertEqual((kept.info.run_name, kept.info.status), ("before", "FINISHED"))
        self.assertEqual((kept.data.metrics, kept.data.params), ({"acc": 0.6}, {"p": "1"}))
        history = MlflowClient().get_metric_history(run.info.run_id, "acc")
        self.assertEqual([point.value for point in history], [0.5, 0.6])
        self.assertEqual(len(mlflow.search_runs(filter_string="metrics.acc > 0.55")), 1)

    def test_artifacts_of_nothing_are_noted_and_freed(self):
        for path in ("foo/x", f"0/{'e' * 32}/artifacts/y"):
            request = urllib.request.Request(
                f"{self.address}/api/2.0/mlflow-artifacts/artifacts/{path}",
                data=b"twelve bytes",
                method="PUT",
            )
            urllib.request.urlopen(request).close()
        type(self).stop()
        noted = self.trimtab("fsck", "--full", "--home", "home")
        self.assertIn("note: the artifact 'foo/x' belongs to no run, model, trace or experiment\n", noted)
        self.assertIn("note: `trimtab gc` gives back 24 bytes of such artifacts", noted)
        self.assertIn("The home is whole.\n", noted)
        self.assertNotIn("Artifacts of no run", self.trimtab("gc", "--home", "home"))
        words = ["gc", "--older-than", "0s", "--home", "home"]
        would = "Artifacts of no run, model, trace or experiment: 2 files, 24 bytes would go, as 'foo/x'.\n"
        self.assertIn(would, self.trimtab(*words, "--dry-run"))
        self.assertIn(would.replace("would go", "gone"), self.trimtab(*words))
        self.assertEqual(self.trimtab("fsck", "--full", "--home", "home"), "The home is whole.\n")
        type(self).start()

    def test_a_server_without_a_port_leaves_no_home(self):
        port = self.address.rsplit(":", 1)[1]
        command = [self.program, "serve", "--home", "fresh", "--port", port]
        done = subprocess.run(command, cwd=self.folder.name, capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("error: ", done.stderr)
        self.assertFalse((pathlib.Path(self.folder.name) / "fresh").exists())

    def test_there_is_no_project_to_apply(self):
        token = (pathlib.Path(self.folder.name) / "home/token").read_text(encoding="utf-8").strip()
        request = urllib.request.Request(
            os.environ["MLFLOW_TRACKING_URI"] + "/api/v1/apply",
            method="POST",
            headers={"Authorization": "Bearer " + token},
        )
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        with caught.exception as refused:
            error = json.loads(refused.read())["error"]
        self.assertEqual(error["message"], "this server has no project to apply")
        self.assertEqual(error["hint"], "start it with the folder of a trimtab.yaml")

    def test_moving_a_record_needs_the_home_for_itself(self):
        address = os.environ["MLFLOW_TRACKING_URI"]
        for words, doing in (
            (["import", "mlflow", "--from"], "an import"),
            (["export", "mlflow", "--to"], "an export"),
        ):
            done = subprocess.run(
                [self.program, *words, address, "--home", "home"],
                cwd=self.folder.name,
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn(f"is in use by process {self.server.pid}, which serves at {address}", done.stderr)
            self.assertIn(f"{doing} needs the home for itself: stop that process (kill -TERM)", done.stderr)

    def test_the_command_line_lists_runs(self):
        with mlflow.start_run(run_name="listed"):
            pass
        command = [str(pathlib.Path(sys.executable).parent / "mlflow"), "runs", "list"]
        done = subprocess.run(
            [*command, "--experiment-id", self.experiment], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("listed", done.stdout)


if __name__ == "__main__":
    sys.exit(main(KeptRuns))
