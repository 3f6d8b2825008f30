#!/usr/bin/env python3
"""MLflow's own client, unmodified, logs models, registers them, and loads them by their alias.

Runs in the environment of bench/requirements.txt; run.py starts it there. What is set is the address alone.
"""

import hashlib
import json
import os
import pathlib
import sys

# So that a failure shows at once and the client tells nobody about it; neither changes what is sent.
os.environ.update({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true"})

import mlflow  # noqa: E402  reads the environment when it is imported
import numpy  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from journey import EmptyRecord, main  # noqa: E402


def wrong_share(predictions, targets):
    return float((predictions != targets).mean())


class KeptModels(EmptyRecord):
    """One server with an empty home; every test has an experiment of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        mlflow.set_tracking_uri(cls.address)
        generator = numpy.random.default_rng(7)
        cls.rows = generator.normal(size=(200, 3))
        cls.labels = (cls.rows[:, 0] + cls.rows[:, 1] > 0).astype(int)

    def setUp(self):
        self.client = MlflowClient()
        mlflow.set_experiment(self.id())

    def fresh(self, name):
        """An empty folder to download to."""
        folder = pathlib.Path(self.folder.name) / name
        folder.mkdir()
        return str(folder)

    def test_sklearn_is_logged_by_itself_registered_and_loaded_by_alias(self):
        from sklearn.linear_model import LogisticRegression

        mlflow.sklearn.autolog()
        try:
            with mlflow.start_run() as run:
                model = LogisticRegression().fit(self.rows, self.labels)
        finally:
            mlflow.sklearn.autolog(disable=True)
        kept = self.client.get_run(run.info.run_id)
        self.assertIn("training_score", kept.data.metrics)
        logged = mlflow.search_logged_models(output_format="list")
        self.assertEqual([str(found.status) for found in logged], ["READY"])
        self.assertEqual(kept.outputs.model_outputs[0].model_id, logged[0].model_id)
        version = mlflow.register_model(logged[0].model_uri, "late")
        self.client.set_registered_model_alias("late", "champion", version.version)
        loaded = mlflow.sklearn.load_model("models:/late@champion")
        self.assertTrue((loaded.predict(self.rows) == model.predict(self.rows)).all())
        self.assertEqual(self.client.get_model_version_by_alias("late", "champion").run_id, run.info.run_id)
        # A logged model knows what it became.
        became = json.loads(mlflow.get_logged_model(logged[0].model_id).tags["mlflow.modelVersions"])
        self.assertEqual(became[0], {"name": "late", "version": int(version.version)})

    def test_log_model_registers_in_one_call(self):
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression().fit(self.rows, self.labels)
        with mlflow.start_run():
            for _ in range(2):
                info = mlflow.sklearn.log_model(
                    model, name="tree", registered_model_name="tree", input_example=self.rows[:2]
                )
        self.assertEqual(int(info.registered_model_version), 2)
        predicted = mlflow.pyfunc.load_model("models:/tree/2").predict(self.rows)
        self.assertTrue((predicted == model.predict(self.rows)).all())
        files = {entry.path for entry in self.client.list_logged_model_artifacts(info.model_id)}
        self.assertLessEqual({"MLmodel", "requirements.txt"}, files)
        found = self.client.search_model_versions("name = 'tree'")
        self.assertEqual([version.version for version in found], ["2", "1"])

    def test_lightgbm_is_logged_and_loaded(self):
        import lightgbm

        booster = lightgbm.train(
            {"objective": "binary", "verbose": -1},
            lightgbm.Dataset(self.rows, self.labels),
            num_boost_round=5,
        )
        with mlflow.start_run():
            info = mlflow.lightgbm.log_model(booster, name="booster")
        loaded = mlflow.pyfunc.load_model(info.model_uri)
        self.assertTrue(numpy.allclose(loaded.predict(self.rows), booster.predict(self.rows)))

    def test_lightgbm_logs_itself(self):
        import lightgbm

        mlflow.lightgbm.autolog()
        try:
            data = lightgbm.Dataset(self.rows, self.labels)
            with mlflow.start_run() as run:
                booster = lightgbm.train(
                    {"objective": "binary", "verbose": -1}, data, num_boost_round=5, valid_sets=[data]
                )
        finally:
            mlflow.lightgbm.autolog(disable=True)
        kept = self.client.get_run(run.info.run_id)
        self.assertEqual(
            (kept.data.params["objective"], kept.data.params["num_boost_round"]), ("binary", "5")
        )
        losses = self.client.get_metric_history(run.info.run_id, "training-binary_logloss")
        values = [point.value for point in losses]
        self.assertEqual(values, sorted(values, reverse=True))
        [output] = kept.outputs.model_outputs
        loaded = mlflow.lightgbm.load_model(f"models:/{output.model_id}")
        self.assertEqual(list(loaded.predict(self.rows)), list(booster.predict(self.rows)))

    def test_an_evaluation_leaves_metrics_tables_and_plots(self):
        import pandas
        from sklearn.linear_model import LogisticRegression

        frame = pandas.DataFrame(self.rows, columns=["a", "b", "c"])
        model = LogisticRegression().fit(frame, self.labels)
        with mlflow.start_run() as run:
            info = mlflow.sklearn.log_model(model, name="line", pip_requirements=["scikit-learn"])
            result = mlflow.models.evaluate(
                info.model_uri,
                frame.assign(label=self.labels),
                targets="label",
                model_type="classifier",
                extra_metrics=[mlflow.metrics.make_metric(eval_fn=wrong_share, greater_is_better=False)],
                evaluator_config={"log_explainer": False},
            )
            table = pandas.DataFrame({"question": ["ä", "b"], "score": [0.5, None]})
            mlflow.log_table(table, "answers.json")
        kept = self.client.get_run(run.info.run_id)
        self.assertLessEqual({"accuracy_score", "roc_auc", "log_loss", "wrong_share"}, set(kept.data.metrics))
        self.assertEqual(kept.data.metrics["accuracy_score"], result.metrics["accuracy_score"])
        self.assertAlmostEqual(kept.data.metrics["wrong_share"], 1 - result.metrics["accuracy_score"])
        # They are also the model's own, on the set that they were measured on.
        measured = {metric.key: metric for metric in mlflow.get_logged_model(info.model_id).metrics}
        self.assertEqual(measured["accuracy_score"].value, result.metrics["accuracy_score"])
        self.assertEqual(len(kept.inputs.dataset_inputs), 1)
        files = {file.path for file in self.client.list_artifacts(run.info.run_id)}
        self.assertLessEqual({"confusion_matrix.png", "roc_curve_plot.png"}, files)
        path = mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="confusion_matrix.png", dst_path=self.fresh("plot")
        )
        self.assertEqual(pathlib.Path(path).read_bytes()[:4], b"\x89PNG")
        back = mlflow.load_table("answers.json", run_ids=[run.info.run_id])
        self.assertEqual(list(back["question"]), ["ä", "b"])

    def test_metrics_of_a_logged_model_are_searched(self):
        models = [mlflow.initialize_logged_model(name=f"m{i}", params={"depth": str(i)}) for i in range(3)]
        with mlflow.start_run():
            for i, model in enumerate(models):
                mlflow.log_metric("auc", i / 10, model_id=model.model_id)
                mlflow.finalize_logged_model(model.model_id, "READY")
        best = mlflow.search_logged_models(
            filter_string="metrics.auc > 0.05",
            order_by=[{"field_name": "metrics.auc", "ascending": False}],
            output_format="list",
        )
        self.assertEqual([model.name for model in best], ["m2", "m1"])
        self.assertEqual(best[0].metrics[0].value, 0.2)
        self.assertEqual(best[0].params, {"depth": "2"})
        # To whoever looks after the home such a metric is a row like any other.
        type(self).stop()
        self.assertEqual(self.trimtab("fsck", "--full", "--home", "home"), "The home is whole.\n")
        self.trimtab("backup", "saved", "--home", "home")
        self.assertIn("found nothing", self.trimtab("restore", "saved", "--home", "again"))
        type(self).start()
        mlflow.set_tracking_uri(self.address)

    def test_artifacts_of_a_run_are_listed_downloaded_and_deleted(self):
        with mlflow.start_run() as run:
            mlflow.log_dict({"a": 1}, "notes/deep/a.json")
            mlflow.log_text("hello ünï", "notes/hello.txt")
            mlflow.log_text("<script>", "page 100%.html")
        run_id = run.info.run_id
        listed = sorted(
            (entry.path, entry.is_dir, entry.file_size) for entry in self.client.list_artifacts(run_id)
        )
        self.assertEqual(listed, [("notes", True, None), ("page 100%.html", False, 8)])
        listed = sorted(entry.path for entry in self.client.list_artifacts(run_id, "notes"))
        self.assertEqual(listed, ["notes/deep", "notes/hello.txt"])
        self.assertEqual(mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt"), "hello ünï")
        self.assertEqual(mlflow.artifacts.load_dict(f"runs:/{run_id}/notes/deep/a.json"), {"a": 1})
        folder = mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=self.fresh("all"))
        files = sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*.*"))
        self.assertEqual(files, ["notes/deep/a.json", "notes/hello.txt", "page 100%.html"])
        mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(
            run.info.artifact_uri
        ).delete_artifacts("notes")
        self.assertEqual([entry.path for entry in self.client.list_artifacts(run_id)], ["page 100%.html"])

    def test_a_large_artifact_comes_back_as_it_was(self):
        path = pathlib.Path(self.fresh("large")) / "large.bin"
        piece = bytes(range(256)) * 4096
        with path.open("wb") as out:
            for i in range(64):
                out.write(piece[i:] + piece[:i])
        with mlflow.start_run() as run:
            mlflow.log_artifact(str(path), "data")
        back = mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="data/large.bin", dst_path=self.fresh("back")
        )
        self.assertEqual(
            hashlib.sha256(pathlib.Path(back).read_bytes()).digest(),
            hashlib.sha256(path.read_bytes()).digest(),
        )
        resident = pathlib.Path(f"/proc/{self.server.pid}/status").read_text(encoding="utf-8")
        peak_kb = int(resident.split("VmHWM:")[1].split()[0])
        self.assertLess(peak_kb, 100 * 1024)

    def test_the_registry_is_kept_searched_and_cleaned(self):
        self.client.create_registered_model("kept", tags={"team": "air"}, description="a model")
        version = self.client.create_model_version("kept", "s3://bucket/model", tags={"k": "v"})
        self.assertEqual((version.version, version.current_stage, version.status), ("1", "None", "READY"))
        self.client.create_model_version("kept", "s3://bucket/model2", description="second")
        self.client.set_registered_model_alias("kept", "best", "2")
        self.client.set_model_version_tag("kept", "1", "more", "yes")
        self.client.set_registered_model_tag("kept", "area", "x")
        self.client.update_model_version("kept", "1", "first")
        model = self.client.get_registered_model("kept")
        self.assertEqual((model.description, model.tags), ("a model", {"team": "air", "area": "x"}))
        self.assertEqual(model.aliases, {"best": "2"})
        self.assertEqual(self.client.get_model_version("kept", "1").tags, {"k": "v", "more": "yes"})
        found = self.client.search_registered_models("tags.team = 'air'", order_by=["name DESC"])
        self.assertEqual([model.name for model in found], ["kept"])
        self.client.transition_model_version_stage("kept", "1", "Production")
        self.client.transition_model_version_stage("kept", "2", "Production", archive_existing_versions=True)
        self.assertEqual(self.client.get_model_version("kept", "1").current_stage, "Archived")
        self.assertEqual(self.client.get_latest_versions("kept", ["Production"])[0].version, "2")
        copied = self.client.copy_model_version("models:/kept/2", "copy")
        self.assertEqual(copied.source, "models:/kept/2")
        self.client.delete_model_version("kept", "2")
        with self.assertRaisesRegex(MlflowException, "Registered model alias best not found"):
            self.client.get_model_version_by_alias("kept", "best")
        self.client.rename_registered_model("kept", "renamed")
        self.assertEqual(self.client.get_model_version("renamed", "1").description, "first")
        self.client.delete_registered_model("renamed")
        with self.assertRaisesRegex(MlflowException, "Registered Model with name=renamed not found"):
            self.client.get_registered_model("renamed")

    def test_a_source_on_this_machine_is_refused(self):
        self.client.create_registered_model("safe")
        for source in ("/etc/passwd", "file:///etc", "s3://b/../x", "runs:/" + "0" * 32 + "/m"):
            with self.assertRaisesRegex(MlflowException, "Invalid model version source"):
                self.client.create_model_version("safe", source)

    def test_prompts_are_kept_with_versions_and_aliases(self):
        first = mlflow.genai.register_prompt(name="greeting", template="Hello {{name}}", tags={"lang": "en"})
        second = mlflow.genai.register_prompt(name="greeting", template="Hi {{name}}", commit_message="short")
        self.assertEqual((first.version, second.version), (1, 2))
        mlflow.genai.set_prompt_alias("greeting", "live", 1)
        self.assertEqual(mlflow.genai.load_prompt("prompts:/greeting@live").format(name="Ada"), "Hello Ada")
        self.assertEqual(mlflow.genai.load_prompt("greeting", version=2).template, "Hi {{name}}")
        self.assertEqual([prompt.name for prompt in mlflow.genai.search_prompts()], ["greeting"])
        self.assertNotIn("greeting", [model.name for model in self.client.search_registered_models()])


if __name__ == "__main__":
    sys.exit(main(KeptModels))
