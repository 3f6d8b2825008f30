"""The healing bench: drawn faults, the real program, several policies on identical streams.

`./dev bench heal` runs every class and policy on --seeds (default 0-19) and prints tables and goals.
Results lie in --out, a file a run, and a second call goes on where the first was stopped. A single run again:
`./dev bench heal --replay world:3:ours`.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import sys

from run import ROOT

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "heal"))

import heal_faults  # noqa: E402
import heal_report  # noqa: E402
import heal_run  # noqa: E402
import heal_score  # noqa: E402

QUICK = {"seeds": [0], "classes": ["clean", "data", "world"], "policies": ["never", "ours"], "horizon": 40}


def seeds_of(text):
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench heal", description=__doc__.splitlines()[0])
    names = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--seeds", type=seeds_of, default=list(range(20)), help="A-B (default 0-19)")
    parser.add_argument("--classes", type=names, default=heal_faults.CLASSES)
    parser.add_argument("--policies", type=names, default=list(heal_run.POLICIES))
    parser.add_argument("--horizon", type=int, default=150, help="batches of a run")
    parser.add_argument("--budget", type=int, default=3, help="the declared poison budget, in batches")
    parser.add_argument("--out", default=str(ROOT / "build/heal-bench"), help="folder of results")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--quick", action="store_true", help="one short seed of three classes and two policies"
    )
    parser.add_argument("--score-only", action="store_true", help="only score what lies in --out")
    parser.add_argument("--replay", metavar="CLASS:SEED:POLICY", help="one run, told batch by batch")
    options = parser.parse_args(arguments)
    for name, value in QUICK.items() if options.quick else ():
        setattr(options, name, value)
    for chosen, known in ((options.classes, heal_faults.CLASSES), (options.policies, heal_run.POLICIES)):
        for name in chosen:
            if name not in known:
                parser.error(f"there is no '{name}', but {', '.join(known)}")
    return options


def folder_of(options):
    return pathlib.Path(options.out) / f"{options.horizon}x{options.budget}"


def one(program, name, seed, policies, options):
    """The results of one stream, or why there are none."""
    out = folder_of(options)
    return list(heal_run.run_or_recall(program, name, seed, policies, out, options.horizon, options.budget))


def run_all(program, options):
    """All results, two or more streams at a time; broken runs are told on standard error."""
    wanted = [(c, s) for s in options.seeds for c in options.classes]
    results, broken = [], 0
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        futures = [pool.submit(one, program, *key, options.policies, options) for key in wanted]
        for count, future in enumerate(concurrent.futures.as_completed(futures), 1):
            for result in future.result():
                if "broken" in result:
                    broken += 1
                    print(result["broken"], file=sys.stderr)
                    continue
                results.append(result)
                told = f"{result['class']}:{result['seed']}:{result['policy']}"
                print(
                    f"  {count}/{len(wanted)}  {told}  {result.get('seconds')} s", file=sys.stderr, flush=True
                )
    order = {
        key: place for place, key in enumerate((p, c) for p in heal_run.POLICIES for c in options.classes)
    }
    results.sort(key=lambda r: (order[r["policy"], r["class"]], r["seed"]))
    return results, broken


def recall_all(options):
    """What lies in --out of the wanted runs."""
    files = [
        heal_run.file_of(folder_of(options), c, s, p)
        for p in options.policies
        for c in options.classes
        for s in options.seeds
    ]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()], 0


def tell(result):
    """One run, batch by batch: what was wrong, what was answered, what was done."""
    print(json.dumps({key: result[key] for key in ("class", "seed", "label_delay", "faults", "benign")}))
    begun = heal_score.treatments(result)
    for day in result["days"]:
        done = [name for batch, name in begun if batch == day["batch"]]
        active = [
            fault["kind"]
            for fault in result["faults"] + result["benign"]
            if fault["start"] <= day["batch"] < fault["start"] + fault["length"]
        ]
        excess = day["error"] - day["oracle"]
        print(
            f"{day['batch']:4}  version {day['version']}  error {day['error']:.3f}  excess {excess:+.3f}  "
            f"{', '.join(active)}{'  ← ' if done else ''}{', '.join(done)}"
        )
    for incident in reversed(result["incidents"]):
        print(f"{incident['opened_at'][:16]}  {incident['summary']}")
        for event in incident["events"]:
            print(f"    {event['time'][:16]} {event['kind']}: {json.dumps(event['detail'])[:400]}")
    print(json.dumps({k: v for k, v in heal_score.score(result).items() if k not in ("detected", "healed")}))


def run(program, _rounds, arguments=()):
    """The goals as rows; tables go to standard error on the way."""
    options = parse(list(arguments))
    if options.replay:
        name, seed, policy = options.replay.split(":")
        (result,) = one(program, name, int(seed), [policy], options)
        print(result["broken"], file=sys.stderr) if "broken" in result else tell(result)
        return []
    results, broken = recall_all(options) if options.score_only else run_all(program, options)
    if broken:
        print(f"{broken} runs broke and count for nothing", file=sys.stderr)
    if not results:
        return []
    summary = heal_score.Summary(results, options.budget)
    print(heal_report.text(summary), file=sys.stderr)
    return heal_report.goals(summary)
