#!/usr/bin/env python3
"""Archives are fetched whole and right, or not at all; a killed run heals at the next one."""

import hashlib
import importlib.util
import io
import pathlib
import tarfile
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("dependencies", ROOT / "cmake/dependencies.py")
dependencies = importlib.util.module_from_spec(spec)
spec.loader.exec_module(dependencies)


def archive_with(files):
    """The bytes of a .tar.gz as a package index gives it: everything below one folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(f"thing-1.0/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


GOOD = archive_with({"data/a.csv": b"1\n", "README.md": b"hello\n"})
WANTED = dependencies.Pin("sdist", "thing", "1.0", hashlib.sha256(GOOD).hexdigest(), "CC0-1.0", "a test")


class Fetching(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = pathlib.Path(folder.name)
        self.replies = []  # what each download gives: bytes, or a Failure
        for name, double in {
            "run": self.download,
            "venv": lambda *_: "python",
            "say": lambda _: None,
        }.items():
            self.replace(dependencies, name, double)
        self.replace(dependencies.time, "sleep", lambda _: None)

    def replace(self, module, name, double):
        patch = mock.patch.object(module, name, double)
        patch.start()
        self.addCleanup(patch.stop)

    def download(self, command, **_options):
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        folder = pathlib.Path(command[command.index("-d") + 1])
        (folder / "thing-1.0.tar.gz").write_bytes(reply)

    def test_a_network_that_fails_twice_is_tried_again(self):
        self.replies = [dependencies.Failure("no route"), dependencies.Failure("no route"), GOOD]
        folder = dependencies.unpack(self.cache, WANTED)
        self.assertEqual((folder / "data/a.csv").read_bytes(), b"1\n")

    def test_another_hash_is_refused_and_the_message_says_what_to_do(self):
        self.replies = [b"evil"] * 3
        with self.assertRaises(dependencies.Failure) as raised:
            dependencies.unpack(self.cache, WANTED)
        self.assertIn("could not fetch thing 1.0 after 3 attempts", str(raised.exception))
        self.assertIn(f"expected sha256 {WANTED.hash}", str(raised.exception))
        self.assertIn("Check the network", str(raised.exception))
        self.assertEqual(list((self.cache / "dl").iterdir()), [])

    def test_a_damaged_archive_in_the_cache_is_fetched_again(self):
        (self.cache / "dl").mkdir()
        (self.cache / "dl/thing-1.0.tar.gz").write_bytes(GOOD[:20])
        self.replies = [GOOD]
        self.assertTrue((dependencies.unpack(self.cache, WANTED) / "README.md").exists())

    def test_what_is_here_is_not_fetched_again(self):
        self.replies = [GOOD]
        first = dependencies.unpack(self.cache, WANTED)
        self.assertEqual(dependencies.unpack(self.cache, WANTED), first)

    def test_a_run_killed_while_unpacking_leaves_nothing_that_is_trusted(self):
        self.replies = [GOOD]
        with mock.patch.object(dependencies.os, "rename", side_effect=KeyboardInterrupt):
            self.assertRaises(KeyboardInterrupt, dependencies.unpack, self.cache, WANTED)
        self.assertTrue((dependencies.unpack(self.cache, WANTED) / "README.md").exists())

    def test_a_path_that_leaves_the_folder_is_left_out(self):
        hostile = archive_with({"../../out.txt": b"x", "in.txt": b"y"})
        self.replies = [hostile]
        folder = dependencies.unpack(self.cache, WANTED._replace(hash=hashlib.sha256(hostile).hexdigest()))
        self.assertEqual([path.name for path in folder.iterdir()], ["in.txt"])


class Pins(unittest.TestCase):
    def test_every_pin_is_complete(self):
        for wanted in dependencies.read_pins():
            self.assertIn(wanted.kind, ("go", "sdist"))
            self.assertRegex(wanted.hash, r"^h1:.{43}=$" if wanted.kind == "go" else r"^[0-9a-f]{64}$")

    def test_a_pin_is_found_by_the_end_of_its_name(self):
        self.assertEqual(dependencies.pin("linux-amd64").kind, "go")


class Locks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / "requirements.txt"
        self.lock = self.file.with_suffix(".lock")
        self.file.write_text("thing==1.0\n", encoding="utf-8")

    def write_lock(self, python):
        digest = hashlib.sha256(b"thing==1.0\n").hexdigest()
        head = f"# for {python}\n# of sha256 {digest}\n"
        self.lock.write_text(head + "thing==1.0 \\\n  --hash=sha256:ab\n", encoding="utf-8")

    def refusal(self):
        with self.assertRaises(dependencies.Failure) as refused:
            dependencies.locked(self.file)
        return str(refused.exception)

    def test_what_is_installed_is_the_lock(self):
        self.write_lock(dependencies.this_python())
        self.assertEqual(dependencies.locked(self.file), self.lock.read_text(encoding="utf-8"))

    def test_another_python_gets_what_is_asked_for_and_is_told(self):
        self.write_lock("PyPy 3.11 linux x86_64")
        with mock.patch.object(dependencies, "say") as said:
            self.assertEqual(dependencies.locked(self.file), "thing==1.0\n")
        words = f"is for another Python than {dependencies.this_python()}: its hashes are not used"
        said.assert_called_once_with(f"requirements.lock {words}")

    def test_a_lock_of_other_requirements_is_refused(self):
        words = f"is not of this requirements.txt; run python3 cmake/dependencies.py lock {self.file}"
        self.assertEqual(self.refusal(), f"{self.lock} {words}")  # There is none.
        self.write_lock(dependencies.this_python())
        self.file.write_text("thing==2.0\n", encoding="utf-8")
        self.assertEqual(self.refusal(), f"{self.lock} {words}")

    def test_requirements_that_are_missing_are_named(self):
        self.file.unlink()
        self.assertEqual(self.refusal(), f"there is no file {self.file}")

    def test_every_lock_in_the_tree_is_of_its_requirements(self):
        files = sorted(ROOT.glob("*/**/*requirements*.txt"))
        files = [file for file in files if "build" not in file.relative_to(ROOT).parts]
        self.assertEqual(len(files), 8)
        for file in files:
            self.assertIn("--hash=sha256:", dependencies.lock_of(file).read_text(encoding="utf-8"))
            dependencies.locked(file)


if __name__ == "__main__":
    unittest.main()
