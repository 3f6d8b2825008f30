#!/usr/bin/env python3
"""Writes docs/THIRD_PARTY.md from packages.txt and pins.txt. A house rule tests that it is fresh."""

import pathlib

HERE = pathlib.Path(__file__).resolve().parent
OUTPUT = HERE.parent / "docs/THIRD_PARTY.md"


def table(file):
    """The lines of a table file, without comments."""
    lines = (line.strip() for line in (HERE / file).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def render():
    """The text of the page."""
    packages = [line.split(None, 3) for line in table("packages.txt")]
    pins = [line.split(None, 5) for line in table("pins.txt")]
    lines = [
        "# Third-party software",
        "",
        "Written by `cmake/third_party.py` from `cmake/packages.txt` and `cmake/pins.txt`.",
        "Nothing of it is in this repository: `./dev` installs the packages from Debian bookworm, and",
        "fetches the archives by version, refusing any whose hash differs.",
        "",
        "## Archives",
        "",
        "| name | version | licence | what for |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{name}` | {version} | {licence} | {what} |" for _, name, version, _, licence, what in pins]
    lines += ["", "## Debian packages", "", "| package | group | licence | what for |", "|---|---|---|---|"]
    lines += [f"| `{package}` | {group} | {licence} | {what} |" for group, package, licence, what in packages]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(render(), encoding="utf-8")
