"""Promises that a fault must not break."""

import subprocess


class Failed(Exception):
    """A promise that did not hold."""


def run(program, words, folder, timeout=120):
    return subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )


def demand(condition, words):
    if not condition:
        raise Failed(words)


def demand_whole(program, folder, home):
    checked = run(program, ["fsck", ".", "--home", str(home), "--full"], folder)
    demand(checked.returncode == 0, f"fsck of {home.name}: {checked.stdout}{checked.stderr}")
