#!/usr/bin/env python3
"""What the documents name is there: files, rooms, verbs."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A file of a room, as the documents write it: `flow/learn.cc`; also with the tree's own first folder.
FILE = re.compile(r"`((?:src/)?[a-z_]+(?:/[a-z_]+)*/[a-z_0-9]+\.(?:cc|h))`")


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


def rooms():
    lines = re.findall(r"(?m)^([a-z_]+) +\d+ ", text_of("layers.txt"))
    return set(lines)


def exists(name):
    return (ROOT / name).is_file() or (ROOT / "src" / name).is_file()


class Documents(unittest.TestCase):
    def test_every_file_that_the_architecture_names_is_there(self):
        named = FILE.findall(text_of("ARCHITECTURE.md"))
        self.assertGreater(len(named), 20)
        self.assertEqual([name for name in named if not exists(name)], [])

    def test_every_document_names_files_that_are_there(self):
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]:
            relative = path.relative_to(ROOT)
            for name in FILE.findall(text_of(relative)):
                self.assertTrue(exists(name), f"{relative}: there is no {name}")

    def test_the_life_of_a_row_names_rooms_and_files_that_are_there(self):
        text = text_of("src/app/life_of_a_row.cc")
        comments = " ".join(re.findall(r"(?m)^ *//(.*)$", text))
        for name in re.findall(r"\b([a-z_]+/[a-z_/]*\.(?:cc|h))", comments):
            self.assertTrue(exists(name), f"life_of_a_row.cc: there is no {name}")
        for start in re.findall(r"(?m)^ *// ((?:[a-z_]+/ )+) ", text):
            for room in start.split():
                self.assertIn(room.rstrip("/"), rooms())

    def test_the_floors_of_the_architecture_are_those_of_the_layers(self):
        floors = re.search(r"(?s)## The floors\n```\n(.*?)```", text_of("ARCHITECTURE.md")).group(1)
        drawn = set()
        for line in floors.splitlines():
            drawn.update(re.findall(r"([a-z_]+)/", re.split(r" \d ", line + " ")[0]))
        self.assertEqual(drawn, rooms())

    def test_every_verb_of_the_readme_exists(self):
        verbs = set(re.findall(r'(?m)^      \{"([a-z]+)",$', text_of("src/app/verbs/verb_list.cc")))
        self.assertIn("apply", verbs)
        for path in ["README.md", "examples/flights/README.md"]:
            for verb in re.findall(r"(?:bin/|`)trimtab ([a-z]+)", text_of(path)):
                self.assertIn(verb, verbs | {"help"}, path)


if __name__ == "__main__":
    unittest.main()
