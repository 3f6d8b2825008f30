#!/usr/bin/env python3
"""Asks one served model the same question through the clients of other platforms, unmodified.

Each must get the probability that our own route gives, bit for bit, and see a refusal as its own kind of
error. KServe's and Vertex AI's own clients are in platform_clients.py, because their packages are large; here
Vertex AI's route is asked by plain HTTP.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import databricks.sdk
import databricks.sdk.errors
import numpy
import tritonclient.grpc
import tritonclient.http
import tritonclient.utils
from scored_world import ROWS, ScoredWorld, faults, main


class Scored(ScoredWorld):
    # Triton's client of the Open Inference Protocol.

    def triton_inputs(self, binary):
        inputs = []
        for name in ROWS[0]:
            values = [row[name] for row in ROWS]
            is_text = isinstance(values[0], str)
            kind, dtype = ("BYTES", object) if is_text else ("INT64", numpy.int64)
            tensor = tritonclient.http.InferInput(name, [len(ROWS), 1], kind)
            tensor.set_data_from_numpy(numpy.array(values, dtype=dtype).reshape(-1, 1), binary_data=binary)
            inputs.append(tensor)
        return inputs

    def test_triton_with_tensors_in_binary_and_in_json(self):
        with tritonclient.http.InferenceServerClient(self.address.removeprefix("http://")) as client:
            self.assertTrue(client.is_server_live() and client.is_server_ready())
            self.assertTrue(client.is_model_ready("late"))
            metadata = client.get_model_metadata("late")
            self.assertIn("FP64", [tensor["datatype"] for tensor in metadata["outputs"]])
            for binary in (True, False):
                reply = client.infer("late", self.triton_inputs(binary))
                self.assertEqual(reply.as_numpy("predictions").tolist(), self.expected)
                self.assertEqual(len(reply.as_numpy("prediction_ids")), len(ROWS))
                wanted = [tritonclient.http.InferRequestedOutput("predictions", binary_data=binary)]
                reply = client.infer(
                    "late",
                    self.triton_inputs(binary),
                    outputs=wanted,
                    model_version=metadata["versions"][0],
                    request_id=f"triton-{binary}",
                )
                self.assertEqual(reply.as_numpy("predictions").tolist(), self.expected)
                self.assertEqual(reply.get_response()["id"], f"triton-{binary}")

    def test_triton_hears_what_is_wrong(self):
        with tritonclient.http.InferenceServerClient(self.address.removeprefix("http://")) as client:
            self.assertFalse(client.is_model_ready("lat"))
            with self.assertRaises(tritonclient.utils.InferenceServerException) as caught:
                client.infer("late", self.triton_inputs(True)[:1])
            self.assertIn("the request lacks the column", caught.exception.message())
            # What the server refuses by itself is told by the client, too, and not only in its own words.
            for call, status, words in (
                (
                    lambda: client.get_model_config("late"),
                    "404",
                    "there is nothing at '/v2/models/late/config'",
                ),
                (
                    lambda: client.infer(
                        "late", self.triton_inputs(True), request_compression_algorithm="gzip"
                    ),
                    "501",
                    "a compressed body (Content-Encoding: gzip) is not taken here",
                ),
            ):
                with self.assertRaises(tritonclient.utils.InferenceServerException) as caught:
                    call()
                self.assertIn(words, str(caught.exception))
                self.assertEqual(caught.exception.status(), status)

    def test_triton_lists_the_repository(self):
        with tritonclient.http.InferenceServerClient(self.address.removeprefix("http://")) as client:
            (model,) = client.get_model_repository_index()
            self.assertEqual((model["name"], model["state"]), ("late", "READY"))

    # The same protocol over gRPC.

    def grpc_inputs(self):
        inputs = []
        for name in ROWS[0]:
            values = [row[name] for row in ROWS]
            is_text = isinstance(values[0], str)
            kind, dtype = ("BYTES", object) if is_text else ("INT64", numpy.int64)
            tensor = tritonclient.grpc.InferInput(name, [len(ROWS)], kind)
            tensor.set_data_from_numpy(numpy.array(values, dtype=dtype))
            inputs.append(tensor)
        return inputs

    def test_triton_over_grpc(self):
        with tritonclient.grpc.InferenceServerClient(self.grpc_address) as client:
            self.assertTrue(client.is_server_live() and client.is_server_ready())
            self.assertTrue(client.is_model_ready("late"))
            self.assertEqual(client.get_server_metadata().name, "trimtab")
            metadata = client.get_model_metadata("late")
            self.assertEqual([tensor.name for tensor in metadata.outputs], ["predictions", "prediction_ids"])
            for version in ("", metadata.versions[0]):
                reply = client.infer(
                    "late", self.grpc_inputs(), model_version=version, request_id=f"g{version}"
                )
                self.assertEqual(reply.as_numpy("predictions").tolist(), self.expected)
                self.assertEqual(reply.as_numpy("prediction_ids")[0].decode(), f"g{version}-1")
            wanted = [tritonclient.grpc.InferRequestedOutput("predictions")]
            reply = client.infer("late", self.grpc_inputs(), outputs=wanted)
            self.assertIsNone(reply.as_numpy("prediction_ids"))

    def test_triton_hears_over_grpc_what_is_wrong(self):
        with tritonclient.grpc.InferenceServerClient(self.grpc_address) as client:
            for call, code, words in (
                (lambda: client.infer("lat", self.grpc_inputs()), "NOT_FOUND", "did you mean 'late'?"),
                (
                    lambda: client.infer("late", self.grpc_inputs()[:1]),
                    "INVALID_ARGUMENT",
                    "lacks the column",
                ),
                (
                    lambda: client.infer("late", self.grpc_inputs(), model_version="99"),
                    "NOT_FOUND",
                    "version '99' of 'late' does not serve",
                ),
                (lambda: client.get_model_config("late"), "UNIMPLEMENTED", ""),
            ):
                with self.assertRaises(tritonclient.utils.InferenceServerException) as caught:
                    call()
                self.assertEqual(caught.exception.status(), f"StatusCode.{code}")
                self.assertIn(words, caught.exception.message())

    # Amazon's SageMaker runtime.

    def sagemaker(self):
        return boto3.client(
            "sagemaker-runtime",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )

    def test_boto3_with_json_csv_and_json_lines(self):
        client = self.sagemaker()
        lines = "\n".join(json.dumps(row) for row in ROWS).encode()
        bodies = [
            ("application/json", json.dumps({"instances": ROWS}).encode()),
            ("text/csv", self.csv(False)),
            ("text/csv", self.csv(True)),
            ("application/jsonlines", lines),
        ]
        for kind, body in bodies:
            reply = client.invoke_endpoint(EndpointName="late", ContentType=kind, Body=body)
            self.assertEqual(json.loads(reply["Body"].read())["predictions"], self.expected)
            self.assertEqual(reply["InvokedProductionVariant"], "champion")
        reply = client.invoke_endpoint(
            EndpointName="late", ContentType="text/csv", Accept="text/csv", Body=self.csv(False)
        )
        self.assertEqual(reply["ContentType"], "text/csv; charset=utf-8")
        self.assertEqual([float(line) for line in reply["Body"].read().split()], self.expected)

    def test_boto3_names_a_prediction(self):
        body = json.dumps({"instances": ROWS[:1]}).encode()
        for _ in range(2):
            reply = self.sagemaker().invoke_endpoint(
                EndpointName="late", ContentType="application/json", InferenceId="boto-1", Body=body
            )
            self.assertEqual(json.loads(reply["Body"].read())["prediction_ids"], ["boto-1"])

    def test_boto3_hears_what_is_wrong(self):
        client = self.sagemaker()
        body = json.dumps({"instances": [{"carrier": "UA"}]}).encode()
        with self.assertRaises(client.exceptions.ModelError) as caught:
            client.invoke_endpoint(EndpointName="late", ContentType="application/json", Body=body)
        self.assertEqual(caught.exception.response["OriginalStatusCode"], 400)
        self.assertIn("lacks the column", caught.exception.response["OriginalMessage"])
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            client.invoke_endpoint(EndpointName="lat", ContentType="application/json", Body=body)
        self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationError")
        with self.assertRaises(client.exceptions.ModelError) as caught:
            client.invoke_endpoint(EndpointName="late", ContentType="application/x-npy", Body=b"x")
        self.assertEqual(caught.exception.response["OriginalStatusCode"], 415)
        self.assertIn("'application/x-npy' is not taken", caught.exception.response["OriginalMessage"])

    # Databricks.

    def databricks(self):
        return databricks.sdk.WorkspaceClient(host=self.address, token="any")

    def test_databricks_with_every_shape_of_rows(self):
        client = self.databricks().serving_endpoints
        self.assertEqual(client.get("late").state.ready.value, "READY")
        split = databricks.sdk.service.serving.DataframeSplitInput(
            columns=list(ROWS[0]), data=[list(row.values()) for row in ROWS]
        )
        inputs = {name: [row[name] for row in ROWS] for name in ROWS[0]}
        for body in (
            {"dataframe_records": ROWS},
            {"dataframe_split": split},
            {"instances": ROWS},
            {"inputs": inputs},
        ):
            reply = client.query("late", **body)
            self.assertEqual(reply.predictions, self.expected)
            self.assertEqual(reply.served_model_name, "late")

    def test_databricks_hears_what_is_wrong(self):
        client = self.databricks().serving_endpoints
        with self.assertRaises(databricks.sdk.errors.BadRequest) as caught:
            client.query("late", instances=[{"carrier": "UA"}])
        self.assertIn("the request lacks the column", str(caught.exception))
        with self.assertRaises(databricks.sdk.errors.NotFound):
            client.get("lat")

    # Vertex AI and the containers' contracts, by plain HTTP.

    def test_vertex_predict(self):
        path = "/v1/projects/p/locations/l/endpoints/late:predict?$alt=json;enum-encoding=int"
        reply = self.post(self.address + path, {"instances": ROWS, "parameters": {}})
        self.assertEqual(reply["predictions"], self.expected)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.post(self.address + path, {"instances": [{}]})
        with caught.exception as refused:
            self.assertEqual(json.loads(refused.read())["error"]["status"], "INVALID_ARGUMENT")

    def test_the_port_for_predictions_alone(self):
        address = self.predict_address
        self.assertEqual(self.get(address + "/ping"), (200, "\n"))
        self.assertEqual(self.get(address + "/health"), (200, "\n"))
        for body, kind in (
            ({"dataframe_records": ROWS}, "application/json"),
            (self.csv(True), "text/csv"),
        ):
            self.assertEqual(self.post(address + "/invocations", body, kind)["predictions"], self.expected)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.get(address + "/api/v1/endpoints")
        with caught.exception as refused:
            self.assertEqual(refused.code, 404)

    def test_a_vertex_container(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            faults.make_project(folder, 4)
            environment = {
                **os.environ,
                "AIP_HTTP_PORT": "0",
                "AIP_HEALTH_ROUTE": "/well",
                "AIP_PREDICT_ROUTE": "/predict",
            }
            server = subprocess.Popen(
                [self.program, "serve", "--port", "0"],
                cwd=folder,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            server.stdout.readline()
            port = server.stdout.readline().rsplit(":", 1)[1].strip()
            request = urllib.request.Request(f"http://127.0.0.1:{port}/well", headers={"Host": "pod.example"})
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=30)
            with caught.exception as nothing_serves_yet:
                self.assertEqual(nothing_serves_yet.code, 404)
                self.assertEqual(nothing_serves_yet.read(), b"\n")
            server.terminate()
            self.assertEqual(server.wait(timeout=30), 0)
            server.stdout.close()


if __name__ == "__main__":
    sys.exit(main(Scored))
