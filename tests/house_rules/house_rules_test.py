#!/usr/bin/env python3
"""Each house rule, on a small tree that breaks it: the message is what a developer will read."""

import pathlib
import tempfile
import unittest

import cpp_text
import house_rules

LAYERS = """
base   0  yaml-cpp/* openssl/*
store  1  sqlite3.h
table  1  duckdb.h duckdb/*
watch  3  -
heal   5  -
shared tl/expected.hpp
test   gtest/*
"""
HEADER = "#pragma once\n"


def errors_of(rule, files):
    """The errors of one rule in a tree of these files, as `file:line: text`."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in {"layers.txt": LAYERS, ".gitignore": "/build/\n*.log\n", **files}.items():
            file = pathlib.Path(root) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        _, broken = house_rules.check(root)
    return [f"{error.path}:{error.line}: {error.text}" for error in broken[rule]]


class Floors(unittest.TestCase):
    def test_a_lower_room_may_not_look_up(self):
        found = errors_of(
            "floors", {"src/watch/drift.cc": '\n#include "heal/treat.h"\n', "src/heal/treat.h": HEADER}
        )
        self.assertEqual(
            found,
            [
                "src/watch/drift.cc:2: watch/ may not include heal/ (floor 3 → 5); "
                "pass a value up, or move the type to a lower room"
            ],
        )

    def test_rooms_of_one_floor_do_not_meet(self):
        found = errors_of(
            "floors", {"src/store/blobs.cc": '#include "table/batch.h"\n', "src/table/batch.h": HEADER}
        )
        self.assertEqual(
            found,
            [
                "src/store/blobs.cc:1: store/ may not include table/ (both on floor 1); "
                "meet as a type of a lower room, or in a higher one"
            ],
        )

    def test_down_and_within_is_allowed_and_main_sees_all(self):
        self.assertEqual(
            [],
            errors_of(
                "floors",
                {
                    "src/heal/treat.cc": '#include "heal/treat.h"\n#include "watch/drift.h"\n',
                    "src/heal/treat.h": HEADER,
                    "src/watch/drift.h": HEADER,
                    "src/main.cc": '#include "heal/treat.h"\n',
                },
            ),
        )

    def test_an_include_in_a_comment_or_string_is_none(self):
        text = '/*\n#include "heal/treat.h"\n*/\nauto s = R"(\n#include "heal/treat.h"\n)";\n'
        self.assertEqual([], errors_of("floors", {"src/watch/drift.cc": text, "src/heal/treat.h": HEADER}))


class Includes(unittest.TestCase):
    def test_a_quoted_include_is_a_whole_path(self):
        found = errors_of(
            "whole_paths", {"src/watch/drift.cc": '#include "drift.h"\n', "src/watch/drift.h": HEADER}
        )
        self.assertEqual(
            found,
            [
                "src/watch/drift.cc:1: there is no src/drift.h; "
                "write the whole path from src/, and third-party headers in <>"
            ],
        )

    def test_angle_brackets_are_not_for_ours(self):
        found = errors_of(
            "whole_paths", {"src/heal/a.cc": "#include <watch/drift.h>\n", "src/watch/drift.h": HEADER}
        )
        self.assertEqual(found, ['src/heal/a.cc:1: watch/drift.h is ours: write #include "watch/drift.h"'])

    def test_a_library_belongs_to_one_room(self):
        found = errors_of("third_party", {"src/watch/drift.cc": "#include <duckdb/main/client.hpp>\n"})
        self.assertEqual(
            found,
            ["src/watch/drift.cc:1: <duckdb/main/client.hpp> belongs to table/; call what that room offers"],
        )

    def test_a_library_is_not_in_our_headers(self):
        found = errors_of("third_party", {"src/table/engine.h": "#include <duckdb.h>\n"})
        self.assertEqual(
            found,
            ["src/table/engine.h:1: <duckdb.h> may not appear in a header; keep it in a .cc file of table/"],
        )

    def test_an_unknown_library_is_an_error(self):
        found = errors_of("third_party", {"src/table/engine.cc": "#include <nlohmann/json.hpp>\n"})
        self.assertEqual(
            found,
            [
                "src/table/engine.cc:1: <nlohmann/json.hpp> is neither a system header "
                "nor listed in layers.txt"
            ],
        )

    def test_test_libraries_are_for_tests(self):
        found = errors_of(
            "third_party",
            {
                "src/table/a.cc": "#include <gtest/gtest.h>\n",
                "src/table/a_test.cc": "#include <gtest/gtest.h>\n",
            },
        )
        self.assertEqual(
            found, ["src/table/a.cc:1: <gtest/gtest.h> is for files named *_test.cc or *_test.h"]
        )

    def test_system_shared_and_own_headers_are_fine(self):
        text = "#include <vector>\n#include <sys/stat.h>\n#include <tl/expected.hpp>\n#include <sqlite3.h>\n"
        self.assertEqual([], errors_of("third_party", {"src/store/a.cc": text}))


class Names(unittest.TestCase):
    def test_a_folder_of_src_is_a_room(self):
        found = errors_of("rooms_are_listed", {"src/stuff/a.cc": "", "src/stuff/b.cc": "", "src/main.cc": ""})
        self.assertEqual(found, ["src/stuff/a.cc:1: src/stuff/ is not listed in layers.txt; give it a floor"])

    def test_only_main_lies_outside_the_rooms(self):
        found = errors_of("rooms_are_listed", {"src/other.cc": ""})
        self.assertEqual(
            found, ["src/other.cc:1: only main.cc lies directly in src/; put this file into a room"]
        )

    def test_folders_that_say_nothing(self):
        found = errors_of("names", {"src/utils/a.cc": ""})
        self.assertEqual(
            found, ["src/utils/a.cc:1: a folder named utils/ says nothing; name it after what it holds"]
        )

    def test_files_that_say_nothing(self):
        found = errors_of("names", {"src/base/file_manager.cc": "", "src/base/managed.cc": ""})
        self.assertEqual(
            found,
            [
                "src/base/file_manager.cc:1: the name file_manager.cc says nothing; "
                "name the file after the thing or the act"
            ],
        )

    def test_a_name_leads_to_one_file(self):
        found = errors_of(
            "unique_names",
            {
                "src/base/types.h": "",
                "src/watch/types.h": "",
                "a/README.md": "",
                "b/README.md": "",
                "tests/a/run.py": "",
                "tests/b/run.py": "",
                "examples/a/demo.sh": "",
                "examples/b/demo.sh": "",
                "tests/a/expected.json": "",
                "tests/b/expected.json": "",
                "build/types.h": "",
                "types.log": "",
            },
        )
        self.assertEqual(
            found,
            ["src/watch/types.h:1: the name types.h is taken by src/base/types.h; a name leads to one file"],
        )


class Sizes(unittest.TestCase):
    def test_long_file(self):
        found = errors_of("sizes", {"src/base/a.cc": "\n" * 801})
        self.assertEqual(
            found, ["src/base/a.cc:801: the file has 801 lines, at most 800; split it by subject"]
        )

    def test_long_line_counts_characters(self):
        found = errors_of("sizes", {"src/base/a.cc": "// " + "é" * 107 + "\n// " + "x" * 108 + "\n"})
        self.assertEqual(found, ["src/base/a.cc:2: the line has 111 columns, at most 110"])

    def test_long_functions_in_three_languages(self):
        found = errors_of(
            "sizes",
            {
                "src/base/a.cc": "namespace x {\nint f() {\n"
                + "\n" * 69
                + "}\nint g() {\n"
                + "\n" * 68
                + "}\n}\n",
                "tests/b.py": "def f():\n" + "    f()\n" * 70,
                "c": "#!/bin/bash\nf() {\n" + "  x\n" * 69 + "}\n",
            },
        )
        self.assertEqual(
            found,
            [
                "c:2: f has 71 lines, at most 70; give its parts names",
                "src/base/a.cc:2: f has 71 lines, at most 70; give its parts names",
                "tests/b.py:1: f has 71 lines, at most 70; give its parts names",
            ],
        )

    def test_python_that_does_not_parse_is_an_error(self):
        self.assertRegex(errors_of("sizes", {"a.py": "def (:\n"})[0], r"^a\.py:1: not Python")


class Rest(unittest.TestCase):
    def test_pragma_once(self):
        found = errors_of("pragma_once", {"src/base/a.h": "// x\n"})
        self.assertEqual(found, ["src/base/a.h:1: the header lacks #pragma once"])

    def test_a_header_without_reader(self):
        found = errors_of(
            "dead_files",
            {"src/base/a.h": HEADER, "src/base/b.h": HEADER, "src/base/b.cc": '#include "base/b.h"\n'},
        )
        self.assertEqual(found, ["src/base/a.h:1: nobody includes this header; remove it, or use it"])

    def test_a_source_that_nobody_can_call(self):
        found = errors_of(
            "dead_files",
            {
                "src/base/one.h": HEADER,
                "src/base/one.cc": '#include "base/one.h"\n',
                "src/base/another_part_of_one.cc": '#include "base/one.h"\n',
                "src/heal/dead.cc": '#include "base/one.h"\n',
                "src/heal/spared.cc": "",
                "src/heal/c_test.cc": "",
                "src/main.cc": "",
                "tests/house_rules/exceptions.txt": "dead_files src/heal/spared.cc the reason\n",
            },
        )
        self.assertEqual(
            found,
            [
                "src/heal/dead.cc:1: includes no header of src/heal/, so nobody can call it; "
                "declare there what it offers"
            ],
        )

    def test_leftovers(self):
        word = "TO" + "DO"
        found = errors_of(
            "leftovers", {"src/base/a.cc": f"\n// {word}: later\n", "b.sh": "mktemp /tmp/XXXXXX\n"}
        )
        self.assertEqual(found, [f"src/base/a.cc:2: {word} is left over; do it now, or open an issue"])

    def test_what_was_tried_out_does_not_stay(self):
        tried = {
            "trimtab.yaml": "project: p\n",
            "data/a.csv": "x\n",
            "examples/a/trimtab.yaml": "project: p\n",
        }
        self.assertEqual(
            errors_of("strays", tried),
            [
                "data/a.csv:1: data/ is no folder of this tree",
                "trimtab.yaml:1: projects and data stand in examples/ and tests/",
            ],
        )

    def test_coroutines(self):
        found = errors_of("coroutines", {"src/base/a.cc": "// co_await is banned\nco_await f();\n"})
        self.assertEqual(found, ["src/base/a.cc:2: co_await: no coroutines, g++ 12 miscompiles them"])

    def test_time_is_injected(self):
        text = (
            "auto a = std::chrono::system_clock::now();\nauto b = std::time(nullptr);\nauto c = at.time(0);\n"
        )
        found = errors_of("injected_time", {"src/heal/a.cc": text, "src/base/clock.cc": text})
        self.assertEqual(
            found,
            [f"src/heal/a.cc:{line}: take the time from a base::Clock that is handed in" for line in (1, 2)],
        )

    def test_a_generated_page_is_fresh(self):
        generator = "def render():\n    return 'new'\n"
        stale = errors_of(
            "generated_files", {"cmake/third_party.py": generator, "docs/THIRD_PARTY.md": "old"}
        )
        fresh = errors_of(
            "generated_files", {"cmake/third_party.py": generator, "docs/THIRD_PARTY.md": "new"}
        )
        self.assertEqual(
            (stale, fresh), (["docs/THIRD_PARTY.md:1: is not what cmake/third_party.py writes; run it"], [])
        )


class Functions(unittest.TestCase):
    def found(self, text):
        return [(f.name, f.first_line, f.last_line) for f in cpp_text.functions(text)]

    def test_members_constructors_and_operators(self):
        text = """class A : public B<int> {
 public:
  A() : a_{1}, b_{2} {
  }
  A(int x)
      : B(x), c_(f(x)) {
  }
  int f() const { return 1'000; }  // {
  auto g() -> Result<int> {
    auto nested = [] { return "}"; };
  }
 private:
  int a_{0};
  bool operator==(const A& other) const {
  }
};"""
        self.assertEqual(
            self.found(text), [("A", 3, 4), ("A", 5, 7), ("f", 8, 8), ("g", 9, 11), ("operator==", 14, 15)]
        )

    def test_values_types_and_macros_are_no_functions(self):
        text = """constexpr Row kRows[] = {{1, f()}, {2}};
std::vector<int> v{f()};
enum class E : int { a, b };
template <class T = int>
struct S {
};
#define M(x) { \\
  x
extern "C" {
int f();
}"""
        self.assertEqual(self.found(text), [])

    def test_strings_with_braces_do_not_count(self):
        text = "TEST(A, B) {\n  auto s = R\"sql(\n } {\n)sql\";\n  char c = '{';\n}\nvoid g() {\n}\n"
        self.assertEqual(self.found(text), [("TEST", 1, 6), ("g", 7, 8)])


if __name__ == "__main__":
    unittest.main()
