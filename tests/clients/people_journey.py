#!/usr/bin/env python3
"""People, roles, tokens and sessions: who may what, against the real program.

Runs in the environment of bench/requirements.txt; run.py starts it there.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import types
import urllib.error
import urllib.request

os.environ.update({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true"})

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

# MLflow's client of users lies in the package of its server, which needs what a client has no use for.
auth = types.ModuleType("mlflow.server.auth")
auth.__path__ = [str(pathlib.Path(mlflow.__file__).parent / "server/auth")]
sys.modules["mlflow.server.auth"] = auth

from mlflow.server.auth.client import AuthServiceClient  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from people_world import GOOD, OTHER, Server, WithServer, main  # noqa: E402

# What anybody may ask; everything else needs somebody who is known.
OPEN = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/health"), ("GET", "/ping"), ("GET", "/version"),
    ("GET", "/v2/health/live"), ("GET", "/v2/health/ready"), ("GET", "/.well-known/databricks-config"),
    ("GET", "/openapi.json"),
    ("GET", "/api/3.0/mlflow/server-info"), ("GET", "/ajax-api/3.0/mlflow/server-info"),
    ("POST", "/api/v1/login"), ("GET", "/api/v1/oidc/login"), ("GET", "/api/v1/oidc/callback"),
}  # fmt: skip
# What everybody who is known may ask, and what it shows is their own or what they may see.
EVERYBODY = re.compile(
    r"/api/v1/(session|logout|account/.*)|.*/mlflow/(users/current|experiments/(search|create)|"
    r"registered-models/(search|create)|model-versions/search)"
)


SECRET_TRACE = "5ec2e7" + "0" * 26


def span(trace, name="secret-span"):
    """One span, as an exporter of OpenTelemetry sends it in JSON."""
    one = {
        "traceId": trace,
        "spanId": "1" * 16,
        "name": name,
        "startTimeUnixNano": "1000000",
        "endTimeUnixNano": "2000000",
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]}


class Routes(WithServer):
    """Every route of the table, asked by everybody who may not."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = cls.server
        cls.secret = "secret-experiment"
        experiment = server.experiment(cls.secret, token=server.home_token)
        ask = lambda path, body: server.ask("POST", "/api/2.0/mlflow/" + path, body, token=server.home_token)[
            1
        ]  # noqa: E731
        run = ask("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
        ask("registered-models/create", {"name": "secret-model"})
        model = ask("logged-models", {"experiment_id": experiment, "name": "m"})["model"]["info"]["model_id"]
        ask("model-versions/create", {"name": "secret-model", "source": f"runs:/{run}/model", "run_id": run})
        status, _, _ = server.ask("POST", "/v1/traces", span(SECRET_TRACE), token=server.home_token,
                                  x_mlflow_experiment_id=experiment)  # fmt: skip
        assert status == 200
        for name in ("anna", "bert"):
            server.add(name)
        server.experiment("berts-own", basic=("bert", GOOD))
        server.order("POST", "/api/v1/roles", {"person": "anna", "role": "viewer", "project": cls.secret})
        cls.known = {
            "experiment_id": experiment, "experiment_ids": [experiment], "run_id": run, "run_ids": [run],
            "name": "secret-model", "new_name": "taken-model", "version": "1", "model_id": model,
            "alias": "champion",
            "key": "k", "value": "1", "timestamp": 1, "step": 0, "stage": "Production", "status": "FINISHED",
            "metric_key": "k", "path": "x", "source": f"runs:/{run}/model", "models": [], "max_results": 10,
            "experiment_name": cls.secret, "artifact_file_path": "x", "resource_type": "experiment",
            "resource_id": experiment, "username": "anna", "password": OTHER, "permission": "READ",
            "is_admin": True,
            "person": "bert", "role": "admin", "project": cls.secret,
            "artifact_location": "mlflow-artifacts:/0",
            "text": "project: x", "labels": [], "rows": [],
            "trace_id": "tr-" + SECRET_TRACE, "trace_ids": ["tr-" + SECRET_TRACE],
            "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}],
            "max_timestamp_millis": 10**15,
        }  # fmt: skip
        expired = server.token("anna", lasts="1s")["token"]
        revoked = server.token("anna")
        server.order("DELETE", "/api/v1/tokens/" + revoked["id"])
        time.sleep(1.1)
        cls.callers = {
            "nobody": None,
            "expired": expired,
            "revoked": revoked["token"],
            "another scope": server.token("anna", project="berts-own")["token"],
            "another project": server.token("bert")["token"],
        }
        cls.table = [
            (method.upper(), path)
            for path, methods in server.ask("GET", "/openapi.json")[1]["paths"].items()
            for method in methods
        ]

    def path_of(self, path):
        values = {"artifact_path": f"{self.known['experiment_id']}/{self.known['run_id']}/artifacts/x",
                  "trace_id": self.known["trace_id"], "request_id": self.known["trace_id"],
                  "model_id": self.known["model_id"], "id": self.known["run_id"], "key": "k"}  # fmt: skip
        return re.sub(r"\{(\w+)\}", lambda hole: values.get(hole[1], "anna"), path)

    def asked(self, method, path, token):
        """The request, with everything that routes ask for."""
        query = "&".join(f"{k}={v}" for k, v in self.known.items() if isinstance(v, str | int))
        target = self.path_of(path) + ("?" + query.replace(" ", "%20") if method == "GET" else "")
        return self.server.ask(method, target, None if method == "GET" else self.known, token=token)

    def test_no_route_answers_whoever_may_not(self):
        self.assertGreater(len(self.table), 150)
        wrong = []
        for method, path in self.table:
            for caller, token in self.callers.items():
                status, answer, _ = self.asked(method, path, token)
                known = token and caller.startswith("another")
                if status >= 500 and (method, path) not in OPEN:
                    wrong.append(f"{caller}: {method} {path} answered {status}: {answer}")
                if status // 100 != 2 or (method, path) in OPEN:
                    continue
                if known and EVERYBODY.fullmatch(path):
                    if "secret" not in json.dumps(answer):
                        continue
                wrong.append(f"{caller}: {method} {path} answered {status}: {str(answer)[:100]}")
        self.assertEqual("\n".join(wrong), "")

    def test_the_same_requests_are_answered_to_who_may(self):
        """Else the test above would prove nothing."""
        done = 0
        for method, path in self.table:
            if method == "GET" and "/api/2.0/mlflow" in path:
                status, answer, _ = self.asked(method, path, self.server.token("anna")["token"])
                done += status // 100 == 2
        self.assertGreater(done, 9)

    def test_a_viewer_looks_and_changes_nothing(self):
        token = self.server.token("anna")["token"]
        run = {"run_id": self.known["run_id"]}
        self.assertEqual(
            self.server.ask("GET", "/api/2.0/mlflow/runs/get?run_id=" + run["run_id"], token=token)[0], 200
        )
        status, answer, _ = self.server.ask(
            "POST",
            "/api/2.0/mlflow/runs/log-metric",
            {**run, "key": "k", "value": 1, "timestamp": 1},
            token=token,
        )
        self.assertEqual((status, answer["error_code"]), (403, "PERMISSION_DENIED"))
        self.assertIn("is no editor of experiment", answer["message"])

    def test_a_viewer_looks_at_traces_and_at_a_models_history(self):
        token = self.server.token("anna")["token"]
        trace = self.known["trace_id"]
        for path in (f"/api/3.0/mlflow/traces/{trace}", f"/api/3.0/mlflow/traces/get?trace_id={trace}"):
            status, answer, _ = self.server.ask("GET", path, token=token)
            self.assertEqual(status, 200, answer)
        body = {"locations": self.known["locations"]}
        status, answer, _ = self.server.ask("POST", "/api/3.0/mlflow/traces/search", body, token=token)
        self.assertEqual([found["trace_id"] for found in answer["traces"]], [trace])
        tag = {"key": "k", "value": "v"}
        refused = self.server.ask("PATCH", f"/api/3.0/mlflow/traces/{trace}/tags", tag, token=token)
        self.assertEqual((refused[0], refused[1]["error_code"]), (403, "PERMISSION_DENIED"))
        history = "/api/v1/models/secret-model/history"
        self.assertEqual(self.server.ask("GET", history, token=token)[0], 403)
        self.server.order(
            "POST", "/api/v1/roles", {"person": "anna", "role": "viewer", "model": "secret-model"}
        )
        status, answer, _ = self.server.ask("GET", history, token=token)
        self.assertEqual((status, answer["model"]), (200, "secret-model"))
        self.assertGreater(len(answer["history"]), 0)

    def test_a_location_within_another_experiment_is_for_admins(self):
        for location in ("mlflow-artifacts:/1/x", "file:///etc"):
            body = {"name": "sneaky", "artifact_location": location}
            status, _, _ = self.server.ask(
                "POST", "/api/2.0/mlflow/experiments/create", body, token=self.callers["another project"]
            )
            self.assertEqual(status, 403)

    def test_a_version_of_what_one_may_not_read_is_refused(self):
        token = self.callers["another project"]
        self.server.ask(
            "POST", "/api/2.0/mlflow/registered-models/create", {"name": "berts-model"}, token=token
        )
        run, model = self.known["run_id"], self.known["model_id"]
        for source in (
            f"runs:/{run}/model",
            f"mlflow-artifacts:/1/{run}/artifacts/model",
            f"models:/{model}",
            "models:/secret-model/1",
        ):
            status, answer, _ = self.server.ask(
                "POST",
                "/api/2.0/mlflow/model-versions/create",
                {"name": "berts-model", "source": source},
                token=token,
            )
            self.assertEqual(status, 403, (source, answer))

    def test_points_for_another_projects_model_are_refused(self):
        token = self.callers["another project"]
        own = self.server.experiment("berts-second", token=token)
        run = self.server.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": own}, token=token)[1][
            "run"
        ]["info"]["run_id"]
        point = {"key": "k", "value": 1, "timestamp": 1, "model_id": self.known["model_id"]}
        for path, body in (("log-metric", point), ("log-batch", {"metrics": [point]})):
            status, answer, _ = self.server.ask(
                "POST", "/api/2.0/mlflow/runs/" + path, {"run_id": run, **body}, token=token
            )
            self.assertEqual(status, 403, answer)

    def test_a_token_in_an_address_is_refused(self):
        token = self.server.token("anna")["token"]
        status, answer, _ = self.server.ask("GET", "/api/v1/session?token=" + token)
        self.assertEqual(
            (status, answer["error"]["message"]),
            (401, "a token does not belong into an address: addresses are logged"),
        )

    def test_a_narrow_token_cannot_make_a_wider_one(self):
        narrow = self.server.token("anna", role="viewer")["token"]
        self.assertEqual(self.server.ask("GET", "/api/v1/account/tokens", token=narrow)[0], 200)
        self.assertEqual(self.server.ask("POST", "/api/v1/account/tokens", {}, token=narrow)[0], 403)


class People(WithServer):
    """The command line, MLflow's own clients, passwords and sessions."""

    def test_the_command_line_with_and_without_a_server(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder, "--auth")
            made = server.trimtab("user", "add", "carl", "--password-stdin", input=GOOD + "\n")
            self.assertEqual((made.returncode, made.stdout), (0, "carl is added.\n"), made.stderr)
            self.assertEqual(server.ask("GET", "/api/v1/session", basic=("carl", GOOD))[0], 200)
            server.stop()
            weak = server.trimtab("user", "add", "dora", "--password-stdin", input="password1234\n")
            self.assertEqual(weak.returncode, 2)
            self.assertIn("the password is too weak: it is a word that is guessed first", weak.stderr)
            self.assertEqual(server.trimtab("role", "grant", "carl", "deployer").returncode, 0)
            last = server.trimtab("user", "remove", "admin")
            self.assertEqual(last.returncode, 1)
            self.assertIn("nobody would be left who may administer this server", last.stderr)
            server.trimtab("user", "group", "team")
            server.trimtab("user", "join", "team", "carl")
            self.assertEqual(server.trimtab("role", "grant", "team", "admin", "--group").returncode, 0)
            listed = server.trimtab("user", "list").stdout
            self.assertRegex(listed, r"carl +deployer of server, in group team")
            self.assertRegex(listed, r"group team +admin of server")
            made = server.trimtab(
                "user", "token", "carl", "--role", "viewer", "--lasts", "90d", "--label", "ci", "--json"
            )
            self.assertRegex(json.loads(made.stdout)["token"], r"^trimtab_[0-9a-f]{72}$")

    def test_who_may_not_be_reached_from_elsewhere(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [Server.program, "serve", "--home", "home", "--port", "0", "--host", "0.0.0.0"],
                cwd=folder, capture_output=True, text=True, check=False,
            )  # fmt: skip
            self.assertEqual(done.returncode, 2)
            self.assertIn("other machines reach 0.0.0.0, and nobody would have to sign in there", done.stderr)
            self.assertIn("--auth", done.stderr)

    def test_the_switch_is_remembered_and_the_first_password_is_told_once(self):
        with tempfile.TemporaryDirectory() as folder:
            first = Server(folder, "--auth")
            password = re.search(r"'admin' with the password (\S{24}) ", first.process.stdout.readline())[1]
            self.assertEqual(first.ask("GET", "/api/v1/people", basic=("admin", password))[0], 200)
            first.stop()
            again = Server(folder)
            self.assertEqual(again.ask("GET", "/api/v1/people")[0], 401)
            self.assertEqual(again.ask("GET", "/api/v1/people", basic=("admin", password))[0], 200)
            again.stop()
            off = Server(folder, "--no-auth")
            self.assertEqual(off.ask("GET", "/api/v1/endpoints")[0], 200)
            off.stop()

    def mlflow_as(self, name, password):
        os.environ.update({"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password})
        mlflow.set_tracking_uri(self.server.url)
        return MlflowClient()

    def tearDown(self):
        for name in ("USERNAME", "PASSWORD", "TOKEN"):
            os.environ.pop("MLFLOW_TRACKING_" + name, None)

    def test_mlflows_client_with_its_own_variables(self):
        self.server.add("erik")
        self.server.add("fay")
        client = self.mlflow_as("erik", GOOD)
        experiment = client.create_experiment("eriks")
        with mlflow.start_run(experiment_id=experiment) as run:
            mlflow.log_metric("acc", 0.5)
            mlflow.log_dict({"a": 1}, "a.json")
        client.create_registered_model("eriks-model")
        client.create_model_version("eriks-model", f"runs:/{run.info.run_id}/m", run.info.run_id)
        client.set_registered_model_alias("eriks-model", "champion", "1")
        client = self.mlflow_as("fay", GOOD)
        self.assertEqual([e.name for e in client.search_experiments()], [])
        self.assertEqual(client.search_registered_models(), [])
        with self.assertRaisesRegex(MlflowException, "is no viewer of experiment"):
            client.get_run(run.info.run_id)
        self.server.order(
            "POST", "/api/v1/roles", {"person": "fay", "role": "editor", "model": "eriks-model"}
        )
        self.assertEqual([m.name for m in client.search_registered_models()], ["eriks-model"])
        with self.assertRaisesRegex(MlflowException, "is no deployer of model 'eriks-model'"):
            client.set_registered_model_alias("eriks-model", "champion", "1")
        self.mlflow_as("erik", OTHER)
        with self.assertRaisesRegex(MlflowException, "the name or the password is wrong"):
            MlflowClient().search_experiments()
        self.tearDown()
        os.environ["MLFLOW_TRACKING_TOKEN"] = self.server.token("erik")["token"]
        self.assertEqual([e.name for e in MlflowClient().search_experiments()], ["eriks"])

    def test_mlflows_own_client_of_users(self):
        self.server.order("POST", "/api/v1/people", {"name": "gus", "password": GOOD, "role": "admin"})
        self.mlflow_as("gus", GOOD)
        users = AuthServiceClient(self.server.url)
        self.assertEqual(users.create_user("hal", OTHER).username, "hal")
        self.assertFalse(users.get_user("hal").is_admin)
        with self.assertRaisesRegex(MlflowException, "User with username=ida not found"):
            users.get_user("ida")
        with self.assertRaisesRegex(MlflowException, "the password is too weak"):
            users.create_user("ida", "short")
        users.update_user_admin("hal", True)
        self.assertTrue(users.get_user("hal").is_admin)
        users.update_user_admin("hal", False)
        experiment = self.server.experiment("guss", basic=("gus", GOOD))
        users.grant_user_permission("hal", "experiment", experiment, "EDIT")
        answer = users.get_user_permission("hal", "experiment", experiment)
        self.assertEqual((answer.allowed, answer.permission), (True, "EDIT"))
        users.revoke_user_permission("hal", "experiment", experiment)
        self.assertEqual(
            users.get_user_permission("hal", "experiment", experiment).permission, "NO_PERMISSIONS"
        )
        users.update_user_password("hal", GOOD)
        self.assertEqual(self.server.ask("GET", "/api/v1/session", basic=("hal", OTHER))[0], 401)
        self.assertEqual(self.server.ask("GET", "/api/v1/session", basic=("hal", GOOD))[0], 200)
        users.delete_user("hal")
        self.assertEqual(self.server.ask("GET", "/api/v1/session", basic=("hal", GOOD))[0], 401)

    def test_a_password_is_hashed_once_and_not_for_every_request(self):
        self.server.add("jane")
        self.server.ask("GET", "/api/v1/session", basic=("jane", GOOD))
        begin = time.monotonic()
        for _ in range(50):
            self.assertEqual(self.server.ask("GET", "/api/v1/session", basic=("jane", GOOD))[0], 200)
        fifty = time.monotonic() - begin
        self.server.order("POST", "/api/v1/people/jane/password", {"password": OTHER})
        self.assertEqual(self.server.ask("GET", "/api/v1/session", basic=("jane", GOOD))[0], 401)
        self.assertLess(fifty / 50, 0.04, "an argon2id hash takes longer than that")

    def test_a_thousand_bad_logins(self):
        """They are refused, others still get in, and what the server does otherwise goes on."""
        server = Server(self.enterContext(tempfile.TemporaryDirectory()), "--auth")
        self.addCleanup(server.stop)
        server.add("kim")
        guess = lambda number: server.ask(
            "POST", "/api/v1/login", {"name": "kim", "password": f"wrong {number}"}
        )  # noqa: E731
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(guess, range(1000)))
        statuses = [status for status, _, _ in replies]
        self.assertLessEqual(set(statuses), {401, 429})
        self.assertLess(statuses.count(401), 130)
        late = replies[-1]
        self.assertEqual(late[0], 429)
        self.assertGreater(int(late[2].getheader("Retry-After")), 0)
        self.assertEqual(server.ask("GET", "/api/v1/people", token=server.home_token)[0], 200)

    def test_a_session_changes_things_with_its_key_alone(self):
        server = self.server
        server.add("lea")
        token = server.token("lea")["token"]
        status, answer, reply = server.ask("POST", "/api/v1/login", {"name": "lea", "password": GOOD})
        self.assertEqual(status, 200, answer)
        cookie = reply.getheader("Set-Cookie")
        self.assertRegex(cookie, r"^trimtab=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200$")
        cookie = cookie.split(";")[0]
        seen = server.ask("GET", "/api/v1/session", Cookie=cookie)[1]
        self.assertEqual((seen["name"], seen["csrf"]), ("lea", answer["csrf"]))
        path, body = "/api/2.0/mlflow/experiments/create", {"name": "leas"}
        status, refused, _ = server.ask("POST", path, body, Cookie=cookie)
        self.assertEqual(
            (status, refused["error"]["message"]), (403, "a change by a session needs the session's own key")
        )
        self.assertEqual(server.ask("POST", path, body, Cookie=cookie, X_Trimtab_CSRF="0" * 32)[0], 403)
        evil = server.ask(
            "POST", path, body, Cookie=cookie, X_Trimtab_CSRF=answer["csrf"], Origin="http://evil.example"
        )
        self.assertEqual(evil[0], 403)
        self.assertEqual(server.ask("POST", path, body, Cookie=cookie, X_Trimtab_CSRF=answer["csrf"])[0], 200)
        self.assertEqual(
            server.ask("POST", "/api/v1/logout", {}, Cookie=cookie, X_Trimtab_CSRF=answer["csrf"])[0], 200
        )
        self.assertEqual(server.ask("GET", "/api/v1/session", Cookie=cookie)[0], 401)
        self.assertEqual(server.ask("GET", "/api/v1/session", token=token)[0], 200)

    def test_spans_come_in_by_the_role_in_their_experiment(self):
        for name in ("nora", "otto"):
            self.server.add(name)
        noras = self.server.experiment("noras", basic=("nora", GOOD))
        ottos = self.server.experiment("ottos", basic=("otto", GOOD))
        send = lambda who, experiment: self.server.ask(  # noqa: E731
            "POST", "/v1/traces", span("a" * 32), basic=who, x_mlflow_experiment_id=experiment
        )
        self.assertEqual(send(None, noras)[0], 401)
        status, answer, _ = send(("otto", GOOD), noras)
        self.assertEqual(status, 403)
        self.assertIn(f"is no editor of experiment {noras}", answer["error"]["message"])
        self.assertEqual(send(("nora", GOOD), noras)[0], 200)
        # Whoever knows the id of a trace adds nothing to it from elsewhere.
        status, answer, _ = send(("otto", GOOD), ottos)
        self.assertEqual(
            (status, answer["message"]), (400, f"Trace with ID 'tr-{'a' * 32}' is not of experiment {ottos}.")
        )
        told = {
            "trace_id": "tr-" + "a" * 32,
            "trace_location": {"mlflow_experiment": {"experiment_id": ottos}},
        }
        status, answer, _ = self.server.ask(
            "POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": told}}, basic=("otto", GOOD)
        )
        self.assertEqual((status, answer["error_code"]), (403, "PERMISSION_DENIED"), answer)
        # A body that names two experiments needs the role in both, whichever of them the route reads.
        told = {
            "trace_id": "tr-" + "b" * 32,
            "trace_location": {"mlflow_experiment": {"experiment_id": ottos}},
        }
        both = {"trace": {"trace_info": told}, "experiment_id": noras}
        for version in ("2.0", "3.0"):
            path = f"/api/{version}/mlflow/traces"
            self.assertEqual(self.server.ask("POST", path, both, basic=("otto", GOOD))[0], 403)
        self.assertEqual(send(("nora", GOOD), "x")[0], 400)

    def test_mlflows_traced_functions_come_in(self):
        self.server.add("pia")
        self.mlflow_as("pia", GOOD)
        mlflow.set_experiment("pias")
        mlflow.trace(lambda number: number + 1, name="more")(1)
        mlflow.flush_trace_async_logging()
        [trace] = mlflow.search_traces(return_type="list")
        self.assertEqual([each.outputs for each in trace.data.spans], [2])
        # Clients may put the spans beside the trace's files, too.
        path = (
            f"/api/2.0/mlflow-artifacts/artifacts/{trace.info.experiment_id}/traces/{trace.info.trace_id}/x"
        )
        self.assertEqual(self.server.ask("PUT", path, {}, basic=("pia", GOOD))[0], 200)
        self.server.add("quin")
        self.assertEqual(self.server.ask("GET", path, basic=("quin", GOOD))[0], 403)

    def test_a_file_comes_in_parts(self):
        self.server.add("rosa")
        experiment = self.server.experiment("rosas", basic=("rosa", GOOD))
        run = self.server.ask(
            "POST", "/api/2.0/mlflow/runs/create", {"experiment_id": experiment}, basic=("rosa", GOOD)
        )[1]["run"]["info"]["run_id"]
        folder = f"{experiment}/{run}/artifacts"
        path = "/api/2.0/mlflow-artifacts/mpu/"
        order = {"path": "/local/big.bin", "num_parts": 2}
        self.assertEqual(self.server.ask("POST", f"{path}create/{folder}", order)[0], 401)
        begun = self.server.ask("POST", f"{path}create/{folder}", order, basic=("rosa", GOOD))[1]
        parts = []
        # Clients send nothing with a part that says who they are.
        for part, content in zip(begun["credentials"], (b"first", b"second")):
            request = urllib.request.Request(part["url"], content, method="PUT")
            with urllib.request.urlopen(request, timeout=30) as reply:
                parts.append({"part_number": part["part_number"], "etag": reply.headers["ETag"]})
        unknown = urllib.request.Request(
            begun["credentials"][0]["url"].replace(begun["upload_id"], "0" * 32), b"x", method="PUT"
        )
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(unknown, timeout=30)
        self.assertEqual(refused.exception.code, 404)
        refused.exception.close()
        done = {"path": "/local/big.bin", "upload_id": begun["upload_id"], "parts": parts}
        self.assertEqual(self.server.ask("POST", f"{path}complete/{folder}", done)[0], 401)
        done = self.server.ask("POST", f"{path}complete/{folder}", done, basic=("rosa", GOOD))
        self.assertEqual(done[0], 200, done[1])
        kept = self.server.ask(
            "GET", f"/api/2.0/mlflow-artifacts/artifacts/{folder}/big.bin", basic=("rosa", GOOD)
        )
        self.assertEqual(kept[1], "firstsecond")

    def test_the_audit_names_who_changed_an_experiment(self):
        self.server.add("siri")
        client = self.mlflow_as("siri", GOOD)
        experiment = client.create_experiment("siris", tags={"a": "b"})
        client.set_experiment_tag(experiment, "k", "v")
        client.rename_experiment(experiment, "siris-second")
        client.delete_experiment(experiment)
        rows = self.server.order("GET", "/api/v1/audit")["audit"]
        said = [
            row["action"]
            for row in rows
            if row["object"] == "experiment/" + experiment and row["actor"] == "siri"
        ]
        self.assertEqual(
            said, ["experiment.delete", "experiment.rename", "experiment.set_tag", "experiment.create"]
        )

    def test_changes_stand_in_the_audit(self):
        self.server.add("mia")
        self.server.order("POST", "/api/v1/roles", {"person": "mia", "role": "viewer"})
        rows = self.server.order("GET", "/api/v1/audit")["audit"]
        said = [(row["actor"], row["action"]) for row in rows if row["object"] == "person/mia"]
        self.assertEqual(said, [("cli", "role.grant"), ("cli", "person.add")])


if __name__ == "__main__":
    sys.exit(main(__name__))
