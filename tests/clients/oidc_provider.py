"""A small OpenID Connect provider on loopback: it signs in whoever comes, and lies when it is told to."""

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size):
    return encoded(value.to_bytes(size, "big"))


class Provider:
    """`lies` change the next token: {"claims": {...}, "alg": ..., "key": ...}."""

    client, secret = "trimtab", "s3cret/+"

    def __init__(self):
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.codes, self.lies, self.subject = {}, {}, "s-1"
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def say(self, value, status=200):
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                path = self.path.split("?")[0]
                if path == "/.well-known/openid-configuration":
                    self.say(provider.description())
                elif path == "/keys":
                    self.say({"keys": provider.keys()})
                else:
                    self.say({}, 404)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.say(*provider.redeem(dict(urllib.parse.parse_qsl(body)), self.headers["Authorization"]))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def description(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + "/page",
            "token_endpoint": self.issuer + "/token",
            "jwks_uri": self.issuer + "/keys",
        }

    def keys(self):
        public = self.rsa.public_key().public_numbers()
        point = self.ec.public_key().public_numbers()
        return [
            {"kid": "r", "kty": "RSA", "use": "sig", "n": number(public.n, 256), "e": number(public.e, 3)},
            {"kid": "e", "kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)},
        ]

    def visit(self, page):
        """What a browser does at the provider's page: where it is sent back to."""
        asked = dict(urllib.parse.parse_qsl(page.split("?")[1]))
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256", asked
        code = secrets.token_hex(8)
        self.codes[code] = asked
        return asked["redirect_uri"] + "?" + urllib.parse.urlencode({"code": code, "state": asked["state"]})

    def redeem(self, form, authorization):
        asked = self.codes.pop(form.get("code"), None)
        if asked is None:
            return {"error": "invalid_grant"}, 400
        name, secret = base64.b64decode(authorization.split()[1]).decode().split(":")
        if (name, urllib.parse.unquote(secret)) != (self.client, self.secret):
            return {"error": "invalid_client"}, 401
        challenge = encoded(hashlib.sha256(form["code_verifier"].encode()).digest())
        if challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return {"error": "invalid_grant"}, 400
        return {"id_token": self.token(asked["nonce"]), "token_type": "Bearer"}, 200

    def token(self, nonce):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.client, "sub": self.subject, "nonce": nonce, "iat": now,
                  "exp": now + 300, "preferred_username": "olga", **self.lies.get("claims", {})}  # fmt: skip
        algorithm = self.lies.get("alg", "RS256")
        head = {"alg": algorithm, "kid": "e" if algorithm == "ES256" else "r"}
        text = encoded(json.dumps(head).encode()) + "." + encoded(json.dumps(claims).encode())
        return text + "." + encoded(self.sign(algorithm, text.encode()))

    def sign(self, algorithm, text):
        if algorithm == "ES256":
            r, s = decode_dss_signature(self.ec.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if algorithm == "none":
            return b""
        key = self.stranger if self.lies.get("key") == "stranger" else self.rsa
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
