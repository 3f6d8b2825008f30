#!/usr/bin/env python3
"""Writes a C++ file that holds other files: embed.py OUTPUT ROOM FUNCTION ROOT FILE…

Each file's name is its path below the folder that all of them share (0001_runs.sql, assets/app.js).
"""

import pathlib
import sys

# Bytes that stand for themselves in a C++ string literal; '?' is left out because of trigraphs.
PLAIN = {byte: chr(byte) for byte in range(32, 127) if chr(byte) not in '"\\?'}


def literal(content):
    """The bytes as string literals, one for each line. Octal escapes have three digits, so none runs on."""
    lines = content.splitlines(keepends=True) or [b""]
    escaped = ("".join(PLAIN.get(byte) or f"\\{byte:03o}" for byte in line) for line in lines)
    return "\n".join(f'        "{line}"' for line in escaped)


def render(room, function, files):
    """The C++ text for (name, content) pairs."""
    entries = "".join(f'    {{"{name}"sv,\n{literal(content)}sv}},\n' for name, content in files)
    array = f"constexpr EmbeddedFile kFiles[] = {{\n{entries}}};\n" if files else ""
    result = "kFiles" if files else "{}"
    return (
        f'// Written by cmake/embed.py.\n#include "{room}/embedded_files.h"\n\n'
        f"namespace trimtab::{room} {{\nnamespace {{\nusing namespace std::string_view_literals;\n{array}"
        f"}}  // namespace\n\n"
        f"std::span<const EmbeddedFile> {function}() {{\n  return {result};\n}}\n"
        f"}}  // namespace trimtab::{room}\n"
    )


def main():
    output, room, function, root = sys.argv[1:5]
    paths = [pathlib.Path(path).relative_to(root) for path in sorted(sys.argv[5:])]
    files = [("/".join(path.parts[1:]), (root / path).read_bytes()) for path in paths]
    pathlib.Path(output).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(output).write_text(render(room, function, files), encoding="ascii")


if __name__ == "__main__":
    main()
