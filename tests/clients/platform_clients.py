#!/usr/bin/env python3
"""KServe's own clients and Vertex AI's, unmodified, against one served model.

Each must get the probability that our own route gives, bit for bit, and see a refusal as its own kind of
error.
"""

import asyncio
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import google.api_core.exceptions
import google.auth.credentials
import grpc
import httpx
import kserve
from google.cloud.aiplatform_v1.services.prediction_service import PredictionServiceClient
from google.cloud.aiplatform_v1.services.prediction_service.transports import rest
from google.protobuf import json_format, struct_pb2
from scored_world import GRPC_LINE, ROWS, ScoredWorld, main


def kserve_request(model="late", columns=None, request_id=None):
    """The rows as tensors, with the values in JSON or in gRPC's lists."""
    inputs = []
    for name in columns or ROWS[0]:
        values = [row[name] for row in ROWS]
        datatype = "BYTES" if isinstance(values[0], str) else "INT64"
        inputs.append(kserve.InferInput(name, [len(ROWS), 1], datatype, values))
    return kserve.InferRequest(model, inputs, request_id=request_id)


def predictions_of(reply):
    return next(list(output.as_numpy()) for output in reply.outputs if output.name == "predictions")


class Platforms(ScoredWorld):
    def kserve_rest(self, ask):
        """What `ask(client)` gives, by KServe's HTTP client of protocol v2."""

        async def run():
            client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2", retries=2))
            try:
                return await ask(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def kserve_grpc(self, ask):
        async def run():
            client = kserve.InferenceGRPCClient(self.grpc_address, retries=2)
            try:
                return await ask(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def test_kserve_over_http(self):
        async def ask(client):
            self.assertTrue(await client.is_server_live(self.address))
            self.assertTrue(await client.is_server_ready(self.address))
            self.assertTrue(await client.is_model_ready(self.address, "late"))
            return await client.infer(self.address, kserve_request(request_id="k"), model_name="late")

        reply = self.kserve_rest(ask)
        self.assertEqual(predictions_of(reply), self.expected)
        self.assertEqual((reply.model_name, reply.id), ("late", "k"))

    def test_kserve_hears_over_http_what_is_wrong(self):
        async def ask(client):
            await client.infer(self.address, kserve_request(columns=["carrier"]), model_name="late")

        with self.assertRaises(httpx.HTTPStatusError) as caught:
            self.kserve_rest(ask)
        self.assertEqual(caught.exception.response.status_code, 400)
        self.assertIn("the request lacks the column", caught.exception.response.json()["error"])

    def test_kserve_over_grpc(self):
        async def ask(client):
            self.assertTrue(await client.is_server_live())
            self.assertTrue(await client.is_server_ready())
            self.assertTrue(await client.is_model_ready("late"))
            return await client.infer(kserve_request())

        reply = self.kserve_grpc(ask)
        self.assertEqual(predictions_of(reply), self.expected)
        self.assertEqual(reply.model_name, "late")

    def test_kserve_hears_over_grpc_what_is_wrong(self):
        for request, code, words in (
            (kserve_request("lat"), grpc.StatusCode.NOT_FOUND, "did you mean 'late'?"),
            (kserve_request(columns=["carrier"]), grpc.StatusCode.INVALID_ARGUMENT, "lacks the column"),
        ):
            with self.assertRaises(grpc.RpcError) as caught:
                self.kserve_grpc(lambda client, request=request: client.infer(request))
            self.assertEqual(caught.exception.code(), code)
            self.assertIn(words, caught.exception.details())

    # While people have to sign in, gRPC asks for what HTTP asks for.

    def kserve_as(self, address, token):
        """What a stranger, or who has the token, gets over gRPC."""

        async def ask():
            client = kserve.InferenceGRPCClient(address, retries=2)
            try:
                self.assertTrue(await client.is_server_live(), "whoever asks")
                headers = (("authorization", f"Bearer {token}"),) if token else None
                return predictions_of(await client.infer(kserve_request(), headers=headers))
            except grpc.RpcError as refused:
                return refused.code(), refused.details()
            finally:
                await client.close()

        return asyncio.run(ask())

    def test_grpc_asks_who_it_is(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            shutil.copytree(self.folder.name, folder, dirs_exist_ok=True)
            server = subprocess.Popen(
                [self.program, "serve", "--port", "0", "--grpc-port", "0", "--auth", "--clock", "manual"],
                cwd=folder,
                stdout=subprocess.PIPE,
                text=True,
            )
            while not (line := server.stdout.readline()).startswith(GRPC_LINE):
                self.assertTrue(line, "the server has ended")
            address = line.split()[-1]
            for words in (["add", "anna"], ["add", "vera"]):
                self.trimtab(folder, "user", *words)
            self.trimtab(folder, "role", "grant", "vera", "viewer", "--in", "flights")
            tokens = {
                who: json.loads(self.trimtab(folder, "user", "token", who, "--json"))["token"]
                for who in ("anna", "vera")
            }
            code, words = self.kserve_as(address, "")
            self.assertEqual(code, grpc.StatusCode.UNAUTHENTICATED)
            self.assertIn("is for people who are signed in", words)
            code, words = self.kserve_as(address, "none of this server's")
            self.assertEqual(code, grpc.StatusCode.UNAUTHENTICATED)
            code, words = self.kserve_as(address, tokens["anna"])
            self.assertEqual(code, grpc.StatusCode.PERMISSION_DENIED)
            self.assertIn("is no viewer of", words)
            self.assertEqual(self.kserve_as(address, tokens["vera"]), self.expected)
            server.terminate()
            self.assertEqual(server.wait(timeout=30), 0)
            server.stdout.close()

    def trimtab(self, folder, *words):
        done = subprocess.run(
            [self.program, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    # Vertex AI's client, over its REST transport: plain HTTP by the transport's own url_scheme.

    def vertex(self):
        transport = rest.PredictionServiceRestTransport(
            host=self.address.removeprefix("http://"),
            url_scheme="http",
            credentials=google.auth.credentials.AnonymousCredentials(),
        )
        return PredictionServiceClient(transport=transport)

    def endpoint(self, name):
        return f"projects/p/locations/l/endpoints/{name}"

    def test_vertex_predict(self):
        instances = [json_format.ParseDict(row, struct_pb2.Value()) for row in ROWS]
        reply = self.vertex().predict(endpoint=self.endpoint("late"), instances=instances)
        self.assertEqual(list(reply.predictions), self.expected)
        self.assertEqual(len(reply.metadata["prediction_ids"]), len(ROWS))

    def test_vertex_hears_what_is_wrong(self):
        instances = [json_format.ParseDict({"carrier": "UA"}, struct_pb2.Value())]
        with self.assertRaises(google.api_core.exceptions.BadRequest) as caught:
            self.vertex().predict(endpoint=self.endpoint("late"), instances=instances)
        self.assertIn("lacks the column", str(caught.exception))
        with self.assertRaises(google.api_core.exceptions.NotFound):
            self.vertex().predict(endpoint=self.endpoint("lat"), instances=instances)


if __name__ == "__main__":
    sys.exit(main(Platforms))
