#!/usr/bin/env python3
"""XGBoost logs itself through mlflow-skinny: fits of both of its interfaces, the model and the way back.

Runs in the environment of requirements_boosters.txt; run.py starts it there.
"""

import json
import os
import sys

os.environ.update({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true"})

import mlflow  # noqa: E402  reads the environment when it is imported
import numpy  # noqa: E402
import pandas  # noqa: E402
import xgboost  # noqa: E402
from mlflow import MlflowClient  # noqa: E402

from journey import EmptyRecord, main  # noqa: E402

ROUNDS = 8


class Boosters(EmptyRecord):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        mlflow.set_tracking_uri(cls.address)
        generator = numpy.random.default_rng(5)
        cls.rows = pandas.DataFrame(generator.normal(size=(300, 3)), columns=["a", "b", "c"])
        cls.labels = (cls.rows["a"] + cls.rows["b"] > 0).astype(int)
        mlflow.xgboost.autolog(registered_model_name="boosted")

    def setUp(self):
        self.client = MlflowClient()
        mlflow.set_experiment(self.id())

    def test_training_logs_itself_and_the_model_comes_back_by_its_alias(self):
        data = xgboost.DMatrix(self.rows, self.labels)
        with mlflow.start_run() as run:
            booster = xgboost.train(
                {"objective": "binary:logistic", "max_depth": 3, "eval_metric": ["logloss", "auc"]},
                data,
                num_boost_round=ROUNDS,
                evals=[(data, "train")],
                early_stopping_rounds=5,
                verbose_eval=False,
            )
        kept = self.client.get_run(run.info.run_id)
        self.assertEqual((kept.data.params["max_depth"], kept.data.params["num_boost_round"]), ("3", "8"))
        self.assertLessEqual({"train-logloss", "train-auc", "best_iteration"}, set(kept.data.metrics))
        losses = [
            point.value
            for point in self.client.get_metric_history(run.info.run_id, "train-logloss")
            if point.step < ROUNDS
        ]
        self.assertEqual(losses[:ROUNDS], sorted(losses[:ROUNDS], reverse=True))
        files = {file.path for file in self.client.list_artifacts(run.info.run_id)}
        self.assertLessEqual({"feature_importance_weight.json", "feature_importance_weight.png"}, files)
        weights = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/feature_importance_weight.json")
        self.assertLessEqual(set(weights), {"a", "b", "c"})
        version = self.client.search_model_versions(f"run_id = '{run.info.run_id}'")[0]
        self.client.set_registered_model_alias("boosted", "champion", version.version)
        loaded = mlflow.pyfunc.load_model("models:/boosted@champion")
        self.assertEqual(list(loaded.predict(self.rows)), list(booster.predict(data)))
        contexts = [input.tags[0].value for input in kept.inputs.dataset_inputs]
        self.assertEqual(sorted(contexts), ["eval", "train"])
        profile = json.loads(kept.inputs.dataset_inputs[0].dataset.profile)
        self.assertEqual(profile["features_shape"], [300, 3])

    def test_the_estimator_logs_itself(self):
        model = xgboost.XGBClassifier(n_estimators=ROUNDS, max_depth=2)
        with mlflow.start_run() as run:
            model.fit(self.rows, self.labels)
        kept = self.client.get_run(run.info.run_id)
        self.assertEqual((kept.data.params["max_depth"], kept.info.status), ("2", "FINISHED"))
        [output] = kept.outputs.model_outputs
        logged = mlflow.get_logged_model(output.model_id)
        self.assertEqual((str(logged.status), logged.source_run_id), ("READY", run.info.run_id))
        loaded = mlflow.xgboost.load_model(logged.model_uri)
        self.assertEqual(list(loaded.predict(self.rows)), list(model.predict(self.rows)))


if __name__ == "__main__":
    sys.exit(main(Boosters))
