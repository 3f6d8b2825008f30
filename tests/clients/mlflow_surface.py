#!/usr/bin/env python3
"""MLflow's own client, unmodified: traces, webhooks, and files that come in parts.

Runs in the environment of bench/requirements.txt; run.py starts it there. What is set is the address, and for
files in parts the client's own switches.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

os.environ.update(
    {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A trace is sent when its function ends, so that the next line can read it.
        "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "100000000",
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": "20000000",
    }
)

import mlflow  # noqa: E402  reads the environment when it is imported
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Feedback  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from journey import EmptyRecord, main  # noqa: E402

LARGE = 512 << 20
GROWTH_MAX = 64 << 20


@mlflow.trace(span_type="CHAIN", attributes={"depth": 3})
def answer(number):
    mlflow.update_current_trace(tags={"team": "red"}, metadata={"release": "7"})
    return double(number) + 1


@mlflow.trace
def double(number):
    mlflow.get_current_active_span().set_attribute("seen", [number, {"twice": None}])
    return number * 2


@mlflow.trace(span_type="LLM")
def broken():
    raise ValueError("no answer")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Remembers what it is told."""

    got = []
    arrived = threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.got.append((dict(self.headers), body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"thanks")
        Receiver.arrived.set()

    def log_message(self, *_):
        pass


class Surface(EmptyRecord):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        mlflow.set_tracking_uri(cls.address)

    def setUp(self):
        self.client = MlflowClient()
        self.experiment = mlflow.set_experiment(self.id()).experiment_id

    def newest(self):
        return mlflow.search_traces(return_type="list", max_results=1)[0]

    def test_a_traced_function_is_kept_with_its_spans(self):
        with mlflow.start_run() as run:
            self.assertEqual(answer(20), 41)
        trace = mlflow.get_trace(self.newest().info.trace_id)
        self.assertEqual((trace.info.status, trace.info.tags["team"]), ("OK", "red"))
        self.assertEqual(trace.info.trace_metadata["release"], "7")
        self.assertEqual(trace.info.trace_metadata["mlflow.sourceRun"], run.info.run_id)
        self.assertEqual([span.name for span in trace.data.spans], ["answer", "double"])
        root, child = trace.data.spans
        self.assertEqual((root.span_type, root.inputs, root.outputs), ("CHAIN", {"number": 20}, 41))
        self.assertEqual((root.parent_id, child.parent_id), (None, root.span_id))
        self.assertEqual(root.get_attribute("depth"), 3)
        self.assertEqual(child.get_attribute("seen"), [20, {"twice": None}])
        self.assertEqual(trace.data.request, '{"number": 20}')
        self.assertEqual(len(mlflow.search_traces(run_id=run.info.run_id)), 1)

    def test_a_failure_is_kept_with_its_exception(self):
        with self.assertRaises(ValueError):
            broken()
        trace = self.newest()
        self.assertEqual(trace.info.status, "ERROR")
        self.assertEqual(trace.data.spans[0].events[0].attributes["exception.message"], "no answer")

    def test_traces_are_searched(self):
        for number in range(5):
            answer(number)
        with self.assertRaises(ValueError):
            broken()
        frame = mlflow.search_traces()
        self.assertEqual(list(frame["state"]).count("OK"), 5)

        def count(text):
            return len(mlflow.search_traces(filter_string=text, return_type="list"))

        for text, expected in {
            "trace.status = 'OK'": 5,
            "status = 'ERROR'": 1,
            "trace.name = 'answer'": 5,
            "tags.team = 'red' AND metadata.release = '7'": 5,
            "tags.nobody IS NULL": 6,
            "span.type = 'LLM'": 1,
            "span.name = 'double' AND span.type = 'UNKNOWN'": 5,
            "span.attributes.depth = '3'": 5,
            "trace.text LIKE '%no answer%'": 1,
            "timestamp_ms > 0 AND execution_time_ms < 60000": 6,
            "request_id IN ('tr-1')": 0,
        }.items():
            self.assertEqual(count(text), expected, text)
        ordered = mlflow.search_traces(order_by=["timestamp_ms ASC"], return_type="list", max_results=2)
        self.assertEqual([trace.data.response for trace in ordered], ["1", "3"])
        pages = self.client.search_traces(locations=[self.experiment], max_results=4)
        rest = self.client.search_traces(locations=[self.experiment], max_results=4, page_token=pages.token)
        self.assertEqual((len(pages), len(rest)), (4, 2))
        with self.assertRaisesRegex(MlflowException, "Invalid attribute key 'colour'"):
            count("trace.colour = 'red'")

    def test_traces_are_judged_tagged_and_deleted(self):
        answer(1)
        trace_id = self.newest().info.trace_id
        first = mlflow.log_feedback(trace_id=trace_id, name="good", value=True, rationale="it is right")
        wanted = mlflow.log_expectation(trace_id=trace_id, name="answer", value={"n": 3})
        kept = mlflow.get_trace(trace_id).info.assessments
        self.assertEqual([each.value for each in kept], [True, {"n": 3}])
        mlflow.update_assessment(trace_id, first.assessment_id, Feedback(name="good", value=False))
        self.assertEqual(mlflow.get_assessment(trace_id, first.assessment_id).value, False)
        mlflow.override_feedback(trace_id=trace_id, assessment_id=first.assessment_id, value=0.5)
        self.assertFalse(mlflow.get_assessment(trace_id, first.assessment_id).valid)
        found = mlflow.search_traces(filter_string="feedback.good > 0.4", return_type="list")
        self.assertEqual(len(found), 1)
        mlflow.delete_assessment(trace_id, wanted.assessment_id)
        with self.assertRaisesRegex(MlflowException, "not found for trace"):
            mlflow.get_assessment(trace_id, wanted.assessment_id)
        mlflow.set_trace_tag(trace_id, "seen", "yes")
        self.assertEqual(mlflow.get_trace(trace_id).info.tags["seen"], "yes")
        mlflow.delete_trace_tag(trace_id, "seen")
        self.assertNotIn("seen", mlflow.get_trace(trace_id).info.tags)
        self.assertEqual(self.client.delete_traces(self.experiment, trace_ids=[trace_id]), 1)
        self.assertIsNone(mlflow.get_trace(trace_id, silent=True))

    def test_a_webhook_hears_of_the_registry(self):
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{receiver.server_port}/hook"
            with self.assertRaisesRegex(MlflowException, "Invalid webhook URL scheme"):
                self.client.create_webhook(name="ci", url=url, events=["registered_model.created"])
            (self.home / "egress").write_text(f"127.0.0.1:{receiver.server_port}\n", encoding="utf-8")
            events = ["registered_model.created", "model_version_alias.created"]
            webhook = self.client.create_webhook(name="ci", url=url, events=events, secret="s3cret")
            self.assertEqual([str(event) for event in webhook.events], events)
            self.assertEqual(self.client.test_webhook(webhook.webhook_id).response_body, "thanks")
            Receiver.got.clear()
            Receiver.arrived.clear()
            self.client.create_registered_model("heard", tags={"a": "b"}, description="of")
            self.assertTrue(Receiver.arrived.wait(15))
            headers, body = Receiver.got[0]
            signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
            digest = hmac.new(b"s3cret", signed, hashlib.sha256).digest()
            self.assertEqual(headers["X-MLflow-Signature"], "v1," + base64.b64encode(digest).decode())
            told = json.loads(body)
            self.assertEqual((told["entity"], told["action"]), ("registered_model", "created"))
            self.assertEqual(told["data"], {"name": "heard", "tags": {"a": "b"}, "description": "of"})
            self.assertEqual(
                self.client.update_webhook(webhook.webhook_id, status="DISABLED").status, "DISABLED"
            )
            self.assertEqual([each.name for each in self.client.list_webhooks()], ["ci"])
            self.client.delete_webhook(webhook.webhook_id)
            with self.assertRaisesRegex(MlflowException, "not found"):
                self.client.get_webhook(webhook.webhook_id)
        finally:
            receiver.shutdown()
            receiver.server_close()

    def memory(self):
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    def test_a_large_file_goes_through_in_parts_and_little_memory(self):
        file = pathlib.Path(self.folder.name) / "large.bin"
        with open(file, "wb") as out:
            for part in range(LARGE >> 20):
                out.write(part.to_bytes(4, "little") * (1 << 18))
        before = self.memory()
        with mlflow.start_run() as run:
            mlflow.log_artifact(str(file), "kept")
        uri = f"runs:/{run.info.run_id}/kept/large.bin"
        got = pathlib.Path(mlflow.artifacts.download_artifacts(uri, dst_path=self.folder.name + "/got"))
        self.assertLess(self.memory() - before, GROWTH_MAX)
        with open(file, "rb") as sent, open(got, "rb") as back:
            self.assertEqual(
                hashlib.file_digest(sent, "sha256").digest(), hashlib.file_digest(back, "sha256").digest()
            )
        self.assertEqual(list((self.home / "uploads").iterdir()), [])

    def test_the_command_line_lists_and_gets_artifacts(self):
        with mlflow.start_run() as run:
            mlflow.log_text("hello", "notes/a.txt")
        program = str(pathlib.Path(sys.executable).parent / "mlflow")
        for words, expected in (
            (["list", "--run-id", run.info.run_id, "--artifact-path", "notes"], "notes/a.txt"),
            (["download", "--run-id", run.info.run_id, "--artifact-path", "notes/a.txt"], "a.txt"),
        ):
            done = subprocess.run([program, "artifacts", *words], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(expected, done.stdout)


if __name__ == "__main__":
    sys.exit(main(Surface))
