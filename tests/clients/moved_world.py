"""A record with one of everything, as MLflow's client makes it, and what that client reads of one.

Imported before mlflow is: it reads the environment then.
"""

import contextlib
import json
import math
import os
import pathlib
import tempfile

os.environ.update(
    {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
    }
)

import mlflow  # noqa: E402  reads the environment when it is imported
from mlflow.entities import (  # noqa: E402
    AssessmentSource,
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    ViewType,
)
from mlflow.entities.webhook import WebhookEvent  # noqa: E402
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: E402

EXPORTED = "trimtab.exported_from"  # A tag that only what was exported has.


def fill(client, root):
    """A record with one of everything."""
    for name in ("first", "second"):
        experiment = client.create_experiment(name, tags={"team": name})
        for number in range(3):
            run = client.create_run(
                experiment, start_time=1_000 + number, run_name=f"{name}-{number}"
            ).info.run_id
            client.log_param(run, "depth", number)
            client.set_tag(run, "kind", "a tag with 'quotes' and ü")
            points = [Metric("loss", 1 / (step + 1), 2_000 + step, step) for step in range(1_200)]
            client.log_batch(run, metrics=points[:1000])
            client.log_batch(run, metrics=points[1000:])
            client.log_metric(run, "odd", math.nan, 5, 1)
            client.log_metric(run, "odd", math.inf, 6, 2)
            client.log_text(run, f"hello {name} {number}", "notes/hello.txt")
            client.log_text(run, "", "empty.txt")
            client.log_inputs(
                run,
                [
                    DatasetInput(
                        Dataset("rows", "digest1", "local", "{}", "{}", "{}"), [InputTag("context", "train")]
                    )
                ],
            )
            client.set_terminated(run, "FINISHED" if number else "FAILED", end_time=9_000 + number)
    first = client.get_experiment_by_name("first").experiment_id
    runs = client.search_runs([first], order_by=["attributes.start_time ASC"])
    client.delete_run(runs[2].info.run_id)
    model = client.create_logged_model(
        first, name="net", source_run_id=runs[0].info.run_id, params={"layers": "3"}, tags={"a": "b"}
    )
    source = root / "files"
    (source / "data").mkdir(parents=True)
    (source / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
    (source / "data/weights.bin").write_bytes(bytes(range(256)) * 100)
    client.log_model_artifacts(model.model_id, str(source))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(runs[0].info.run_id, [LoggedModelOutput(model.model_id, 1)])
    client.create_registered_model("late", tags={"owner": "ann"}, description="is it late?")
    client.create_model_version(
        "late", f"models:/{model.model_id}", run_id=runs[0].info.run_id, model_id=model.model_id
    )
    client.create_model_version(
        "late",
        f"{runs[1].info.artifact_uri}/notes",
        run_id=runs[1].info.run_id,
        tags={"v": "2"},
        description="second",
    )
    client.transition_model_version_stage("late", "2", "Production")
    client.set_registered_model_alias("late", "champion", "1")
    gone = client.create_experiment("gone")
    client.create_run(gone, run_name="also gone")
    client.delete_experiment(gone)


def fill_traces(client, root):
    """Traces, with spans in the database and in a file; what people say of them; prompts; a webhook."""
    client.register_prompt("greeting", "Hello {{ name }}", commit_message="first", tags={"lang": "en"})
    client.register_prompt("greeting", "Good day {{ name }}")
    client.set_prompt_alias("greeting", "best", 1)
    client.create_webhook("hook", "https://93.184.216.34/x", [WebhookEvent("registered_model", "created")])
    mlflow.set_experiment("first")

    @mlflow.trace(name="inner", span_type="TOOL", attributes={"deep": {"list": [1, 2.5, None, "ü"]}})
    def inner(word):
        if word == "fails":
            raise ValueError("it fails")
        return word.upper()

    @mlflow.trace(name="outer")
    def outer(word):
        mlflow.update_current_trace(tags={"team": "a"}, session_id="s-1", client_request_id=f"c-{word}")
        return {"said": inner(word), "numbers": [1, 2]}

    outer("hello")
    with contextlib.suppress(ValueError):
        outer("fails")
    with mlflow.start_run(run_name="traced"):
        outer("in a run")
    traces = {
        trace.info.client_request_id: trace.info.trace_id
        for trace in mlflow.search_traces(return_type="list")
    }
    hello = traces["c-hello"]
    source = AssessmentSource("HUMAN", "ann")
    mlflow.log_feedback(
        trace_id=hello, name="good", value=0.9, source=source, rationale="why not", metadata={"n": "1"}
    )
    mlflow.log_expectation(trace_id=hello, name="wanted", value={"said": ["HELLO"]}, source=source)
    first = client.get_experiment_by_name("first").experiment_id
    run = client.search_runs([first], order_by=["attributes.start_time ASC"])[0].info.run_id
    client.link_traces_to_run([hello], run)
    # As clients wrote them before spans went to the database.
    info = client.get_trace(hello).info
    info.trace_id = "tr-" + "a" * 32
    info.tags = {"mlflow.traceName": "in a file"}
    info.assessments = []
    kept = client._tracing_client.store.start_trace(info)
    path = root / "traces.json"
    path.write_bytes(client.get_trace(hello).data.to_json_bytes())
    get_artifact_repository(kept.tags["mlflow.artifactLocation"]).log_artifact(str(path))


def trace_facts(client, names_of_runs):
    """By trace id; runs by their names."""
    found = {}
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        for info in client.search_traces([experiment.experiment_id], include_spans=False):
            trace = client.get_trace(info.info.trace_id)
            metadata = dict(trace.info.trace_metadata)
            if run := metadata.pop("mlflow.sourceRun", None):
                metadata["made in"] = names_of_runs[run]
            metadata.pop("mlflow.trace.sizeStats", None)
            found[trace.info.trace_id] = {
                "experiment": experiment.name,
                "info": (trace.info.request_time, trace.info.execution_duration, str(trace.info.state)),
                "said": (
                    trace.info.request_preview,
                    trace.info.response_preview,
                    trace.info.client_request_id,
                ),
                "tags": {
                    key: value for key, value in trace.info.tags.items() if key != "mlflow.artifactLocation"
                },
                "metadata": metadata,
                "spans": [
                    (
                        s.name,
                        s.span_id,
                        s.parent_id,
                        s.span_type,
                        s.inputs,
                        s.outputs,
                        s.start_time_ns,
                        s.end_time_ns,
                    )
                    + (str(s.status), s.attributes, [(e.name, e.timestamp, e.attributes) for e in s.events])
                    for s in trace.data.spans
                ],
                "assessments": sorted(
                    (
                        a.name,
                        json.dumps(a.value),
                        a.source.source_id,
                        a.rationale or "",
                        str(a.metadata or {}),
                    )
                    for a in trace.info.assessments
                ),
            }
    for run, name in names_of_runs.items():
        experiment = client.get_run(run).info.experiment_id
        for trace in client.search_traces(locations=[experiment], run_id=run, include_spans=False):
            found[trace.info.trace_id].setdefault("runs", set()).add(name)
    return found


def prompt_facts(client):
    found = {}
    for prompt in client.search_prompts():
        versions = [client.get_prompt_version(prompt.name, str(number)) for number in (1, 2)]
        found[prompt.name] = [
            (v.version, v.template, v.commit_message, tags_of(v.tags), sorted(v.aliases)) for v in versions
        ]
    return found


def files_of(client, run, path=""):
    found = {}
    for entry in client.list_artifacts(run, path):
        if entry.is_dir:
            found.update(files_of(client, run, entry.path))
        else:
            with tempfile.TemporaryDirectory() as folder:
                text = pathlib.Path(client.download_artifacts(run, entry.path, folder)).read_bytes()
            found[entry.path] = text.hex()
    return found


def number(value):
    return "NaN" if math.isnan(value) else value


def tags_of(tags):
    """Without what only one of the records says."""
    return {key: value for key, value in tags.items() if key != EXPORTED and not key.startswith("mlflow.")}


def run_facts(client, run):
    info, data = run.info, run.data
    return {
        "status": info.status,
        "stage": info.lifecycle_stage,
        "times": (info.start_time, info.end_time),
        "params": data.params,
        "tags": tags_of(data.tags),
        "latest": {key: number(value) for key, value in data.metrics.items()},
        "points": {
            key: [(number(m.value), m.timestamp, m.step) for m in client.get_metric_history(info.run_id, key)]
            for key in data.metrics
        },
        "datasets": [
            (d.dataset.name, d.dataset.digest, d.dataset.source_type, [(t.key, t.value) for t in d.tags])
            for d in run.inputs.dataset_inputs
        ],
        "outputs": len(run.outputs.model_outputs) if run.outputs else 0,
        "files": files_of(client, info.run_id),
    }


def facts(client):
    """What a client reads of a record, free of the ids that it may give anew."""
    experiments = {}
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
        models = client.search_logged_models([experiment.experiment_id])
        experiments[experiment.name] = {
            "stage": experiment.lifecycle_stage,
            "tags": tags_of(experiment.tags),
            "runs": {run.info.run_name: run_facts(client, run) for run in runs},
            "logged models": [(m.name, m.params, tags_of(m.tags), m.status) for m in models],
        }
    names_of_runs = {}
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
            names_of_runs[run.info.run_id] = run.info.run_name
    models = {}
    for model in client.search_registered_models():
        versions = {}
        for version in client.search_model_versions(f"name = '{model.name}'"):
            with tempfile.TemporaryDirectory() as folder:
                place = pathlib.Path(
                    mlflow.artifacts.download_artifacts(
                        f"models:/{model.name}/{version.version}",
                        dst_path=folder,
                        tracking_uri=client.tracking_uri,
                    )
                )
                files = {
                    str(file.relative_to(place)): file.read_bytes().hex()
                    for file in sorted(place.rglob("*"))
                    if file.is_file() and file.name != "registered_model_meta"
                }
            versions[version.version] = {
                "stage": version.current_stage,
                "run": names_of_runs.get(version.run_id),
                "description": version.description or "",
                "tags": tags_of(version.tags),
                "files": files,
            }
        models[model.name] = {
            "description": model.description,
            "tags": model.tags,
            "aliases": model.aliases,
            "versions": versions,
        }
    traces, prompts = trace_facts(client, names_of_runs), prompt_facts(client)
    return {"experiments": experiments, "models": models, "traces": traces, "prompts": prompts}
