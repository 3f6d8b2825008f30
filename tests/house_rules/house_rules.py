#!/usr/bin/env python3
"""Holds the tree to its house rules: `house_rules.py [--root FOLDER] [--json OUT]`.

Prints `file:line: error: …` for each breach and ends with 1 when there is any. layers.txt says which room
lies on which floor; exceptions.txt beside this file lists the few files that a rule spares, and why.
"""

import argparse
import ast
import collections
import fnmatch
import functools
import importlib.util
import json
import os
import pathlib
import re
import sys

import cpp_headers
import cpp_text

MAX_FUNCTION = 70
MAX_FILE = 800
MAX_COLUMNS = 110
FORBIDDEN_FOLDERS = {"utils", "util", "common", "helpers", "helper", "misc"}
FORBIDDEN_WORDS = re.compile(r"(^|[_\-.])(manager|helper|util)s?([_\-.]|$)", re.IGNORECASE)
# Names that say a role rather than a subject, so that each folder may have one.
ROLE_NAMES = {"README.md", "CMakeLists.txt", "__init__.py", "trimtab.yaml", "run.py", "requirements.txt"}
NAMED_KINDS = {".h", ".cc", ".py", ".sh", ".cmake", ".md", ".sql", ".ts", ".tsx"}
LEFTOVER = re.compile(r"\b(" + "|".join(["FIX" + "ME", "TO" + "DO", "X" * 3]) + r")\b")
COROUTINE = re.compile(r"\bco_(await|yield|return)\b")
WALL_CLOCK = re.compile(
    r"\bsystem_clock::now\b|(?<![\w.>:])(?:std::|::)?time\s*\(\s*(?:nullptr|NULL|0|&)"
    r"|\bgettimeofday\b|\bCLOCK_REALTIME\b"
)
THE_CLOCK = "src/base/clock.cc"
MAIN = "src/main.cc"
ABOVE_ALL = 1000

TOP_FOLDERS = {".ci", "bench", "cmake", "docs", "examples", "migrations", "src", "tests"}

Error = collections.namedtuple("Error", "path line text")
Room = collections.namedtuple("Room", "name floor headers")


class Tree:
    """The files under a root, without what .gitignore leaves out, and the rooms of its layers.txt."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.ignored = self._lines(".gitignore") + [".git"]
        self.paths = sorted(self._walk(""))
        self._texts = {}
        self.rooms, self.shared, self.test = {}, [], []
        for name, *rest in (line.split() for line in self._lines("layers.txt")):
            if name == "shared":
                self.shared = rest
            elif name == "test":
                self.test = rest
            else:
                self.rooms[name] = Room(name, int(rest[0]), [header for header in rest[1:] if header != "-"])
        self.exempt = {tuple(line.split()[:2]) for line in self._lines("tests/house_rules/exceptions.txt")}

    def text(self, path):
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_text(encoding="utf-8", errors="replace")
        return self._texts[path]

    def cpp(self, below=""):
        return [path for path in self.paths if path.endswith((".h", ".cc")) and path.startswith(below)]

    def code(self):
        """C++, Python and shell, the last also without an ending."""
        kinds = (".h", ".cc", ".py", ".sh")
        return [path for path in self.paths if path.endswith(kinds) or self._is_script(path)]

    def room_of(self, path):
        """The room of a file of src/; None for main.cc and for a folder that layers.txt does not list."""
        return self.rooms.get(path.split("/")[1]) if path.count("/") >= 2 else None

    def headers_of(self, path):
        """The quoted includes of a file, as paths of the tree."""
        return [f"src/{header}" for _, header, quoted in cpp_text.includes(self.text(path)) if quoted]

    @functools.cached_property
    def included(self):
        """Every header of ours that some file includes."""
        return {header for path in self.cpp() for header in self.headers_of(path)}

    def applies(self, rule, path):
        return (rule, path) not in self.exempt

    def _is_script(self, path):
        return "." not in path.rsplit("/", 1)[-1] and self.text(path).startswith("#!")

    def _lines(self, path):
        file = self.root / path
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [line for line in (line.strip() for line in lines) if line and not line.startswith("#")]

    def _walk(self, folder):
        for entry in os.scandir(self.root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if self._is_ignored(path, entry.is_dir()):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(path)
            elif entry.is_file(follow_symlinks=False):
                yield path

    def _is_ignored(self, path, is_folder):
        for pattern in self.ignored:
            if pattern.endswith("/") and not is_folder:
                continue
            name = pattern.strip("/")
            anchored = "/" in name or pattern.startswith("/")
            if fnmatch.fnmatch(path if anchored else path.rsplit("/", 1)[-1], name):
                return True
        return False


def matches(header, patterns):
    return any(fnmatch.fnmatch(header, pattern) for pattern in patterns)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def floors(tree):
    """A room includes only rooms of lower floors."""
    for path in tree.cpp("src/"):
        own = tree.room_of(path)
        floor = own.floor if own else ABOVE_ALL
        for line, header, quoted in cpp_text.includes(tree.text(path)):
            other = tree.rooms.get(header.split("/")[0]) if quoted and "/" in header else None
            if not other or (own and other.name == own.name) or other.floor < floor:
                continue
            if other.floor == floor:
                yield Error(
                    path,
                    line,
                    f"{own.name}/ may not include {other.name}/ (both on floor {floor}); "
                    f"meet as a type of a lower room, or in a higher one",
                )
            else:
                yield Error(
                    path,
                    line,
                    f"{own.name}/ may not include {other.name}/ "
                    f"(floor {floor} → {other.floor}); "
                    f"pass a value up, or move the type to a lower room",
                )


def whole_paths(tree):
    """Quoted includes are whole paths from src/, and angle brackets are not for our headers."""
    ours = set(tree.paths)
    for path in tree.cpp("src/"):
        for line, header, quoted in cpp_text.includes(tree.text(path)):
            if quoted and f"src/{header}" not in ours:
                yield Error(
                    path,
                    line,
                    f"there is no src/{header}; write the whole path from src/, "
                    f"and third-party headers in <>",
                )
            elif not quoted and f"src/{header}" in ours:
                yield Error(path, line, f'{header} is ours: write #include "{header}"')


def third_party(tree):
    """A third-party header appears in the room that owns it and in none of our headers."""
    for path in tree.cpp("src/"):
        room = tree.room_of(path)
        allowed = tree.shared + (tree.test if path.endswith(("_test.cc", "_test.h")) else [])
        for line, header, quoted in cpp_text.includes(tree.text(path)):
            if quoted or cpp_headers.is_system_header(header) or matches(header, allowed):
                continue
            owner = next((r for r in tree.rooms.values() if matches(header, r.headers)), None)
            if matches(header, tree.test):
                yield Error(path, line, f"<{header}> is for files named *_test.cc or *_test.h")
            elif not owner:
                yield Error(path, line, f"<{header}> is neither a system header nor listed in layers.txt")
            elif owner != room:
                yield Error(path, line, f"<{header}> belongs to {owner.name}/; call what that room offers")
            elif path.endswith(".h"):
                yield Error(
                    path,
                    line,
                    f"<{header}> may not appear in a header; keep it in a .cc file of {room.name}/",
                )


def rooms_are_listed(tree):
    """Every folder of src/ is a room, and only main.cc lies outside the rooms."""
    seen = set()
    for path in tree.paths:
        if not path.startswith("src/") or path == MAIN:
            continue
        folder = path.split("/")[1]
        if path.count("/") == 1:
            yield Error(path, 1, "only main.cc lies directly in src/; put this file into a room")
        elif folder not in tree.rooms and folder not in seen:
            seen.add(folder)
            yield Error(path, 1, f"src/{folder}/ is not listed in layers.txt; give it a floor")


def names(tree):
    """No folder or file is named after nothing in particular."""
    for path in tree.paths:
        *folders, name = path.split("/")
        for folder in folders:
            if folder in FORBIDDEN_FOLDERS:
                yield Error(path, 1, f"a folder named {folder}/ says nothing; name it after what it holds")
        if FORBIDDEN_WORDS.search(name.rsplit(".", 1)[0]):
            yield Error(path, 1, f"the name {name} says nothing; name the file after the thing or the act")


def unique_names(tree):
    """A file name leads to one file. Examples are alike on purpose."""
    first = {}
    for path in tree.paths:
        name = path.rsplit("/", 1)[-1]
        if name in ROLE_NAMES or os.path.splitext(name)[1] not in NAMED_KINDS or path.startswith("examples/"):
            continue
        if name in first:
            yield Error(path, 1, f"the name {name} is taken by {first[name]}; a name leads to one file")
        first.setdefault(name, path)


def sizes(tree):
    """Files, functions and lines are short."""
    for path in tree.code():
        text = tree.text(path)
        lines = text.splitlines()
        if len(lines) > MAX_FILE:
            yield Error(
                path,
                MAX_FILE + 1,
                f"the file has {len(lines)} lines, at most {MAX_FILE}; split it by subject",
            )
        for number, line in enumerate(lines, start=1):
            if len(line) > MAX_COLUMNS:
                yield Error(path, number, f"the line has {len(line)} columns, at most {MAX_COLUMNS}")
        for name, first, last in functions_of(path, text):
            if last - first + 1 > MAX_FUNCTION:
                yield Error(
                    path,
                    first,
                    f"{name} has {last - first + 1} lines, at most {MAX_FUNCTION}; give its parts names",
                )


def functions_of(path, text):
    """(name, first line, last line) of the functions of a C++, Python or shell file."""
    if path.endswith((".h", ".cc")):
        return cpp_text.functions(text)
    if path.endswith(".py") or text.startswith("#!/usr/bin/env python"):
        try:
            nodes = list(ast.walk(ast.parse(text)))
        except SyntaxError as error:
            first = error.lineno or 1
            return [(f"not Python ({error.msg}): the file", first, first + MAX_FUNCTION)]
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [(node.name, node.lineno, node.end_lineno) for node in nodes if isinstance(node, kinds)]
    found, start = [], None
    for number, line in enumerate(text.splitlines(), start=1):
        opened = re.match(r"(?:function\s+)?([\w-]+)\s*\(\)\s*\{", line)
        start = (opened.group(1), number) if opened else start
        if start and (line.startswith("}") or (opened and line.rstrip().endswith("}"))):
            found.append((*start, number))
            start = None
    return found


def pragma_once(tree):
    """Each header is read once."""
    for path in tree.cpp():
        if path.endswith(".h") and not re.search(r"^#pragma once$", tree.text(path), re.MULTILINE):
            yield Error(path, 1, "the header lacks #pragma once")


def dead_files(tree):
    """A header has a reader, and a source does the work of a header of its folder."""
    for path in tree.cpp("src/"):
        if path.endswith(".h") and path not in tree.included and tree.applies("dead_files", path):
            yield Error(path, 1, "nobody includes this header; remove it, or use it")
        if path.endswith("_test.cc") or not path.endswith(".cc") or path == MAIN:
            continue
        folder = path.rpartition("/")[0]
        own = [header for header in tree.headers_of(path) if header.rpartition("/")[0] == folder]
        if not own and tree.applies("dead_files", path):
            text = f"includes no header of {folder}/, so nobody can call it; declare there what it offers"
            yield Error(path, 1, text)


def leftovers(tree):
    """Unfinished work is an issue of the tracker, not a word in the code."""
    written = [path for path in tree.paths if path.endswith((".cmake", ".md", ".sql", ".ts", ".tsx"))]
    for path in tree.code() + written:
        for number, line in enumerate(tree.text(path).splitlines(), start=1):
            if found := LEFTOVER.search(line):
                yield Error(path, number, f"{found.group()} is left over; do it now, or open an issue")


def coroutines(tree):
    """No coroutines: g++ 12 destroys captured temporaries twice."""
    for path in tree.cpp():
        code = cpp_text.without_comments_and_strings(tree.text(path))
        for found in COROUTINE.finditer(code):
            yield Error(
                path, line_of(code, found.start()), f"{found.group()}: no coroutines, g++ 12 miscompiles them"
            )


def injected_time(tree):
    """Only the clock reads the clock, so that a test can move time."""
    for path in tree.cpp("src/"):
        if path == THE_CLOCK or not tree.applies("injected_time", path):
            continue
        code = cpp_text.without_comments_and_strings(tree.text(path))
        for found in WALL_CLOCK.finditer(code):
            yield Error(
                path, line_of(code, found.start()), "take the time from a base::Clock that is handed in"
            )


def generated_files(tree):
    """What is generated and committed is what its generator would write now."""
    generator, output = tree.root / "cmake/third_party.py", "docs/THIRD_PARTY.md"
    if generator.exists():
        spec = importlib.util.spec_from_file_location("third_party", generator)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if output not in tree.paths or tree.text(output) != module.render():
            yield Error(output, 1, "is not what cmake/third_party.py writes; run it")


def strays(tree):
    """What was tried out in the tree does not stay in it."""
    for path in tree.paths:
        top = path.split("/")[0]
        if "/" in path and top not in TOP_FOLDERS:
            yield Error(path, 1, f"{top}/ is no folder of this tree")
        if "/" not in path and path.endswith((".yaml", ".csv", ".parquet")):
            yield Error(path, 1, "projects and data stand in examples/ and tests/")


RULES = [
    floors,
    whole_paths,
    third_party,
    rooms_are_listed,
    names,
    unique_names,
    sizes,
    pragma_once,
    dead_files,
    leftovers,
    coroutines,
    injected_time,
    generated_files,
    strays,
]


def check(root):
    """(number of files, errors of each rule) of a tree."""
    tree = Tree(root)
    return len(tree.paths), {rule.__name__: list(rule(tree)) for rule in RULES}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--json", help="write the number of rules kept and broken into this file")
    options = parser.parse_args()
    files, broken = check(options.root)
    errors = sorted(error for found in broken.values() for error in found)
    for error in errors:
        print(f"{error.path}:{error.line}: error: {error.text}")
    failed = sum(1 for found in broken.values() if found)
    if options.json:
        totals = {"passed": len(RULES) - failed, "failed": failed}
        pathlib.Path(options.json).write_text(json.dumps(totals), encoding="utf-8")
    print(f"house rules: {files} files, {len(errors)} errors")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
