#!/usr/bin/env python3
"""How people come in: TLS, and a single sign-on with a provider that lies, against the real program."""

import http.client
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oidc_provider import Provider  # noqa: E402
from people_world import GOOD, Server, main  # noqa: E402


def make_certificate(folder, name):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", folder / "new.key", "-out", folder / "new.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "new.key").rename(folder / "server.key")
    (folder / "new.crt").rename(folder / "server.crt")


class Tls(unittest.TestCase):
    """https, and a certificate that changes while the server runs."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        make_certificate(self.path, "first")
        words = ("--auth", "--tls-cert", "server.crt", "--tls-key", "server.key")
        self.server = Server(
            self.folder.name, *words, tls=ssl.create_default_context(cafile=self.path / "server.crt")
        )

    def tearDown(self):
        self.server.stop()
        self.folder.cleanup()

    def shown_name(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("localhost", self.server.port, timeout=10, context=context)
        connection.connect()
        der = connection.sock.getpeercert(binary_form=True)
        connection.close()
        text = subprocess.run(
            ["openssl", "x509", "-inform", "der", "-noout", "-subject"],
            input=der,
            capture_output=True,
            check=True,
        )
        return text.stdout.decode().split("=")[-1].strip()

    def test_requests_large_and_small_and_a_new_certificate(self):
        server = self.server
        self.assertTrue(server.url.startswith("https://"))
        status, _, reply = server.ask("GET", "/healthz")
        self.assertEqual((status, reply.getheader("Strict-Transport-Security")), (200, "max-age=31536000"))
        big = os.urandom(3_000_000)
        connection = server.connect()
        path = "/api/2.0/mlflow-artifacts/artifacts/big.bin"
        headers = {"Authorization": "Bearer " + server.home_token}
        for _ in range(2):
            connection.request("PUT", path, big, headers)
            self.assertEqual(connection.getresponse().read(), b"")
            connection.request("GET", path, headers=headers)
            self.assertEqual(connection.getresponse().read(), big)
        connection.close()
        self.assertEqual(server.trimtab("user", "list").returncode, 0)
        self.assertEqual(self.shown_name(), "first")
        make_certificate(self.path, "second")
        time.sleep(1.1)
        self.shown_name()
        self.assertEqual(self.shown_name(), "second")
        self.assertEqual(server.trimtab("user", "list").returncode, 0)
        (self.path / "server.crt").write_text("no certificate")
        time.sleep(1.1)
        self.assertEqual(self.shown_name(), "second")

    def test_old_versions_and_plain_http_are_refused(self):
        context = ssl.create_default_context(cafile=self.path / "server.crt")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises(OSError):
            http.client.HTTPSConnection("localhost", self.server.port, timeout=10, context=context).connect()
        plain = http.client.HTTPConnection("localhost", self.server.port, timeout=10)
        plain.request("GET", "/healthz")
        with self.assertRaises((http.client.HTTPException, OSError)):
            plain.getresponse()
        self.assertEqual(self.server.ask("GET", "/healthz")[0], 200)

    def test_a_browsers_cookie_is_for_tls_alone(self):
        self.server.add("nia")
        _, _, reply = self.server.ask("POST", "/api/v1/login", {"name": "nia", "password": GOOD})
        self.assertRegex(
            reply.getheader("Set-Cookie"), r"^__Host-trimtab=\w+; Path=/; HttpOnly; SameSite=Lax; .*; Secure$"
        )


class SingleSignOn(unittest.TestCase):
    """OpenID Connect, with a provider that lies."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.provider = Provider()
        os.environ["TRIMTAB_OIDC_SECRET"] = Provider.secret
        words = ("--auth", "--oidc-issuer", cls.provider.issuer, "--oidc-client", Provider.client)
        cls.server = Server(cls.folder.name, *words, "--oidc-url", "http://localhost:7700")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.provider.stop()
        cls.folder.cleanup()
        del os.environ["TRIMTAB_OIDC_SECRET"]

    def begin(self):
        """(where the provider sends the browser, the browser's cookie)"""
        status, _, reply = self.server.ask("GET", "/api/v1/oidc/login")
        self.assertEqual(status, 302)
        self.assertIn("HttpOnly; SameSite=Lax", reply.getheader("Set-Cookie"))
        back = self.provider.visit(reply.getheader("Location"))
        self.assertTrue(back.startswith("http://localhost:7700/api/v1/oidc/callback?"))
        return back.removeprefix("http://localhost:7700"), reply.getheader("Set-Cookie").split(";")[0]

    def sign_in(self, **lies):
        self.provider.lies = lies
        back, cookie = self.begin()
        return self.server.ask("GET", back, Cookie=cookie)

    def test_both_algorithms_and_the_same_person_again(self):
        names = set()
        for algorithm in ("RS256", "ES256", "RS256"):
            status, answer, reply = self.sign_in(alg=algorithm)
            self.assertEqual((status, reply.getheader("Location")), (302, "/"), answer)
            cookie = reply.getheader("Set-Cookie").split(";")[0]
            session = self.server.ask("GET", "/api/v1/session", Cookie=cookie)[1]
            names.add((session["name"], session["is_admin"]))
        self.assertEqual(names, {("olga", False)})

    def test_lies_are_refused(self):
        now = int(time.time())
        for lie, why in (
            ({"alg": "none"}, "its algorithm 'none' is not RS256 or ES256"),
            ({"alg": "HS256"}, "its algorithm 'HS256' is not RS256 or ES256"),
            ({"key": "stranger"}, "the signature is not the key's"),
            ({"claims": {"iss": "http://127.0.0.1:1"}}, "another provider issued it"),
            ({"claims": {"aud": "somebody"}}, "it is meant for somebody else"),
            ({"claims": {"aud": ["trimtab", "x"]}}, "it was given to somebody else"),
            ({"claims": {"exp": now - 120}}, "it has expired"),
            ({"claims": {"exp": None}}, "it has expired"),
            ({"claims": {"nonce": "0" * 32}}, "it answers another question"),
            ({"claims": {"sub": ""}}, "it names nobody"),
        ):
            status, answer, reply = self.sign_in(**lie)
            self.assertEqual(status, 401, (lie, answer))
            self.assertIn(why, answer["error"]["message"])
            self.assertIsNone(reply.getheader("Set-Cookie"))

    def test_another_browser_a_used_state_and_a_refusal(self):
        self.provider.lies = {}
        back, cookie = self.begin()
        other = self.server.ask("GET", back, Cookie="trimtab-oidc=" + "0" * 32)
        self.assertEqual(other[0], 401)
        self.assertIn("another browser began to sign in", other[1]["error"]["message"])
        again = self.server.ask("GET", back, Cookie=cookie)
        self.assertIn("nobody began to sign in like that", again[1]["error"]["message"])
        refused = self.server.ask("GET", "/api/v1/oidc/callback?error=access_denied&state=x", Cookie=cookie)
        self.assertEqual(refused[0], 401)
        self.assertEqual(refused[1]["error"]["message"], "the identity provider refused: access_denied")

    def test_an_address_that_is_none_stops_the_start(self):
        for words, why in (
            (["--oidc-issuer", "http://login.example.com"], "secrets would travel in the clear"),
            (["--oidc-issuer", "login.example.com"], "it has no scheme"),
        ):
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(
                    [Server.program, "serve", "--home", "home", "--port", "0", "--auth", *words,
                     "--oidc-client", "x", "--oidc-url", "http://localhost:7700"],
                    cwd=folder, capture_output=True, text=True, check=False,
                )  # fmt: skip
                self.assertEqual(done.returncode, 2)
                self.assertIn(why, done.stderr)


if __name__ == "__main__":
    sys.exit(main(__name__))
