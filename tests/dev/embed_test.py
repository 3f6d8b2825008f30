#!/usr/bin/env python3
"""What cmake/embed.py writes compiles, and gives back every byte."""

import importlib.util
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("embed", ROOT / "cmake/embed.py")
embed = importlib.util.module_from_spec(spec)
spec.loader.exec_module(embed)

HEADER = """#pragma once
#include <span>
#include <string_view>
namespace trimtab::store {
struct EmbeddedFile { std::string_view name; std::string_view text; };
std::span<const EmbeddedFile> embedded_migrations();
}
"""
MAIN = """#include <cstdio>
#include "store/embedded_files.h"
int main() {
  for (auto file : trimtab::store::embedded_migrations()) {
    std::printf("%.*s=", static_cast<int>(file.name.size()), file.name.data());
    for (unsigned char byte : file.text) std::printf("%02x", byte);
    std::puts("");
  }
}
"""


def compiled_and_printed(files):
    """The output of a program that prints the embedded files in hexadecimal."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "store").mkdir()
        (root / "store/embedded_files.h").write_text(HEADER, encoding="utf-8")
        (root / "main.cc").write_text(MAIN, encoding="utf-8")
        (root / "embedded.cc").write_text(
            embed.render("store", "embedded_migrations", files), encoding="ascii"
        )
        sources = [root / "main.cc", root / "embedded.cc"]
        subprocess.run(["g++", "-std=c++20", "-I", root, "-o", root / "program", *sources], check=True)
        return subprocess.run([root / "program"], check=True, capture_output=True, text=True).stdout


class Embed(unittest.TestCase):
    def test_every_byte_survives(self):
        files = [
            ("0001_a.sql", bytes(range(256))),
            ("empty.sql", b""),
            ("js/app.js", 'a ? "é" : \'\\n\';  // ??/ )"\r\n12'.encode()),
        ]
        expected = "".join(f"{name}={content.hex()}\n" for name, content in files)
        self.assertEqual(compiled_and_printed(files), expected)

    def test_no_files_are_an_empty_list(self):
        self.assertEqual(compiled_and_printed([]), "")


if __name__ == "__main__":
    unittest.main()
