#!/usr/bin/env python3
"""Runs the scenarios: texts that say what a user does and what Trimtab must answer. See README.md."""

import argparse
import http.client
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Mismatch(Exception):
    """What came is not what the scenario expects."""


class World:
    """A fresh folder, and at most one server in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.server = self.address = None
        self.code = self.text = None

    def run(self, words):
        done = subprocess.run(
            [self.program, *words], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        self.code, self.text = done.returncode, done.stdout + done.stderr

    def serve(self, words):
        self.server = subprocess.Popen(
            [self.program, "serve", *words, "--port", "0"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self.server.stdout.readline()
        found = re.search(r"http://([\d.]+):(\d+)", line)
        if not found:
            raise Mismatch(f"the server did not start: {line}")
        self.address = (found.group(1), int(found.group(2)))

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.code = self.server.wait(timeout=30)
        self.text, self.server = "", None

    def kill(self):
        self.server.kill()
        self.code = self.server.wait(timeout=30)
        self.text, self.server = "", None

    def ask(self, method, path, body, headers):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        if method == "POST":
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        self.code, self.text = reply.status, reply.read().decode()

    def close(self):
        if self.server:
            self.server.kill()
            self.server.wait()


def matches(expected, got):
    """Every expected line in order; `...` skips any number of lines."""
    lines, at = got.splitlines(), 0
    skipping = False
    for line in expected:
        if line == "...":
            skipping = True
            continue
        while True:
            if at >= len(lines):
                return False
            found, at = line_matches(line, lines[at]), at + 1
            if found:
                break
            if not skipping:
                return False
        skipping = False
    return True


def line_matches(expected, got):
    if expected.startswith("<REGEX>:"):
        return re.fullmatch(expected[8:], got) is not None
    if expected.startswith("<CONTAINS>:"):
        return expected[11:] in got
    return expected == got.rstrip()


def example_slice(world, days):
    """The flights example on its first days: real files, trained as of the day before the last."""
    source, target = ROOT / "examples/flights", world.folder
    for kind in ("flights", "weather"):
        (target / "data" / kind).mkdir(parents=True)
        for file in sorted((source / "data" / kind).glob("*.csv"))[:days]:
            os.link(file, target / "data" / kind / file.name)
    os.link(source / "data/planes.csv", target / "data/planes.csv")
    text = (source / "trimtab.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^as_of: \S+", f"as_of: 2013-01-{days:02d}", text)
    text = text.replace("test: 14d", "test: 1d").replace("at_least: 10000", "at_least: 1000")
    text = text.replace("rounds: 100", "rounds: 20").replace("ece <= 0.12", "ece <= 0.9")
    text = text.replace("auc >= 0.55", "auc >= 0.1").replace("slice(origin).auc >= 0.50", "rate >= 0")
    text = text.replace("      - rate >= 0\n", "")
    (target / "trimtab.yaml").write_text(text, encoding="utf-8")


class Scenario:
    """One file: commands, each with what it must answer."""

    def __init__(self, path):
        self.path = path
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.at = 0
        self.kept = {}

    def block(self, end):
        taken = []
        while self.at < len(self.lines) and self.lines[self.at] != end:
            taken.append(self.lines[self.at])
            self.at += 1
        self.at += 1
        return taken

    def filled(self, line):
        for name, value in self.kept.items():
            line = line.replace(name, value)
        return line

    def play(self, world):
        headers = {}
        while self.at < len(self.lines):
            line = self.filled(self.lines[self.at])
            self.at += 1
            if not line.strip() or line.startswith("#"):
                continue
            word, _, rest = line.partition(" ")
            if word in ("file", "append"):
                path = world.folder / rest
                path.parent.mkdir(parents=True, exist_ok=True)
                mode = "a" if word == "append" else "w"
                with path.open(mode, encoding="utf-8") as out:
                    out.write("\n".join(self.block("end")) + "\n")
            elif word == "empty":
                (world.folder / rest).write_text("", encoding="utf-8")
            elif word == "replace":
                name, old, new = shlex.split(rest)
                path = world.folder / name
                text = path.read_text(encoding="utf-8")
                if old not in text:
                    raise Mismatch(f"'{old}' is not in {name}")
                path.write_text(text.replace(old, new.replace("\\n", "\n")), encoding="utf-8")
            elif word == "example":
                example_slice(world, int(rest.partition("days=")[2]))
            elif word == "run":
                world.run(shlex.split(rest))
            elif word == "serve":
                world.serve(shlex.split(rest))
            elif word == "stop":
                world.stop()
            elif word == "kill":
                world.kill()
            elif word == "show":
                world.code, world.text = 0, (world.folder / rest).read_text(encoding="utf-8")
            elif word == "same":
                first, second = ((world.folder / name).read_bytes() for name in shlex.split(rest))
                if first != second:
                    raise Mismatch(f"the files differ: {rest}")
            elif word == "absent":
                if os.path.lexists(world.folder / rest):
                    raise Mismatch(f"there is a {rest}")
            elif word == "keep":
                name, _, pattern = rest.partition(" ")
                found = re.search(pattern, world.text)
                if not found:
                    raise Mismatch(f"'{pattern}' is not in:\n{world.text}")
                self.kept["${" + name + "}"] = found.group(1)
            elif word == "header":
                name, _, value = rest.partition(": ")
                headers[name] = value
            elif word in ("get", "post"):
                path, _, body = rest.partition(" ")
                if body.startswith("nested="):
                    body = "[" * int(body[7:]) + "]" * int(body[7:])
                if body.startswith("huge="):
                    body = '"' + "x" * int(body[5:]) + '"'
                world.ask(word.upper(), path, body or None, headers)
                headers = {}
            elif word == "expect":
                self.expect(world, rest)
            else:
                raise Mismatch(f"there is no command '{word}'")

    def expect(self, world, code):
        if str(world.code) != code:
            raise Mismatch(f"expected {code}, got {world.code}:\n{world.text}")
        if self.at < len(self.lines) and self.lines[self.at] == "----":
            self.at += 1
            expected = [self.filled(line) for line in self.block("")]
            if not matches(expected, world.text):
                wanted = "\n".join(expected)
                raise Mismatch(f"expected\n{wanted}\ngot\n{world.text}")


def play(path, program):
    scenario = Scenario(path)
    with tempfile.TemporaryDirectory() as folder:
        world = World(program, pathlib.Path(folder))
        try:
            scenario.play(world)
            return None
        except (Mismatch, subprocess.TimeoutExpired, OSError) as problem:
            return f"{path.relative_to(ROOT)}:{scenario.at}: {problem}"
        finally:
            world.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--json")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if not (ROOT / "examples/flights/data/planes.csv").exists():
        subprocess.run([sys.executable, str(ROOT / "examples/flights/get_data.py")], check=True)
    program = str(pathlib.Path(options.program).resolve())
    passed = failed = 0
    for path in sorted(HERE.glob("*.test")):
        if options.names and path.stem not in options.names:
            continue
        started = time.monotonic()
        problem = play(path, program)
        print(f"{'FAIL' if problem else 'ok  '} {path.stem} ({time.monotonic() - started:.1f} s)")
        if problem:
            print(problem)
        passed, failed = passed + (not problem), failed + bool(problem)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"passed": passed, "failed": failed}), encoding="utf-8"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
