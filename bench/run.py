#!/usr/bin/env python3
"""`./dev bench [NAME] [--json]`: ours and the peer back to back on the same work, in alternating rounds.

Prints medians, spread and the ratio; --json prints the same as one object and nothing else on standard
output.
"""

import argparse
import contextlib
import importlib
import json
import os
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BENCHES = ["serve", "apply", "record", "watch", "heal"]


class Row:
    """One line of a bench: rounds of ours and of the peer on one piece of work."""

    def __init__(self, work, unit, peer, goal=None, more_is_better=True):
        self.work, self.unit, self.peer, self.goal = work, unit, peer, goal
        self.more_is_better = more_is_better
        self.ours, self.theirs = [], []

    def ratio(self):
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return ours / theirs if self.more_is_better else theirs / ours

    def to_json(self):
        holds = None if self.goal is None else self.ratio() >= self.goal
        return {
            "work": self.work,
            "unit": self.unit,
            "ours": statistics.median(self.ours),
            "peer": self.peer,
            "peer_value": statistics.median(self.theirs),
            "ratio": self.ratio(),
            "goal": self.goal,
            "holds": holds,
        }

    def to_text(self):
        def spread(values):
            return f"{statistics.median(values):,.2f} ({min(values):,.2f}–{max(values):,.2f})"

        goal = (
            ""
            if self.goal is None
            else f"  goal {self.goal}×: {'holds' if self.ratio() >= self.goal else 'missed'}"
        )
        return (
            f"{self.work}, {self.unit}: ours {spread(self.ours)}, {self.peer} {spread(self.theirs)}, "
            f"ratio {self.ratio():.1f}×{goal}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument(
        "--quick", action="store_true", help="one short round: for a look, not for the record"
    )
    parser.add_argument("--program", default=str(ROOT / "bin/trimtab"))
    options, more = parser.parse_known_args()
    if more and options.name != "heal":
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    rounds = options.rounds or (1 if options.quick else 3)
    sys.path.insert(0, str(HERE))
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    for name in [options.name] if options.name else BENCHES:
        # The healing bench takes hours; among the others it only shows that it runs.
        quick = options.quick or (name == "heal" and not options.name)
        arguments = [*more, *(["--quick"] if quick else [])] if name == "heal" else options.quick
        # What peers print on standard output must not mix with ours.
        with contextlib.redirect_stdout(sys.stderr):
            rows = importlib.import_module(f"bench_{name}").run(options.program, rounds, arguments)
        if options.json:
            print(json.dumps({"bench": name, "rows": [row.to_json() for row in rows]}))
        else:
            print(f"bench {name}")
            for row in rows:
                print("  " + row.to_text())
    return 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
