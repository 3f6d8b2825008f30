"""One run: a stream, a policy, the real program. Writes one file of results and finds it again."""

import json
import os
import pathlib
import resource
import shutil
import signal
import tempfile
import threading
import time
import traceback

import heal_server
import heal_stream
import worlds

SCRATCH_ROOM = 2 << 30  # Bytes that must be free in memory for runs to live there.
UNANSWERED_WAITS = 3  # So often a request is sent again after the harness has started the server anew.


class Policy:
    """How a policy is named, what the program is told, and who else triggers trainings.

    `naive` policies are what a user without this program has: requests that cannot be read are refused, and a
    push is not looked at. The others stand behind the same contract, repair at the door included, so that
    among them only the policies differ.
    """

    def __init__(self, name, flag, naive=True, external=None):
        self.name, self.flag, self.naive, self.external = name, flag, naive, external
        self.contract = not naive


POLICIES = {
    policy.name: policy
    for policy in [
        Policy("never", "never"),
        Policy("every-batch-6", "every-batch:6"),
        Policy("every-batch-12", "every-batch:12"),
        Policy("every-5", "every-batches:5:12"),
        Policy("psi", "psi"),
        Policy("loss-3sigma", "loss-3sigma"),
        Policy("evidently", "never", external="evidently"),
        Policy("contract-every-batch", "contract+every-batch:12", naive=False),
        Policy("contract-loss-3sigma", "contract+loss-3sigma", naive=False),
        Policy("ours", "declared", naive=False),
    ]
}


def descendants(pid):
    """Processes below one that we started."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found, open_ = [], [pid]
    while open_:
        below = children.get(open_.pop(), [])
        found += below
        open_ += below
    return found


class Saboteur(threading.Thread):
    """While a machine fault is on: does to each worker of our server what the fault says."""

    def __init__(self, kind, server):
        super().__init__(daemon=True)
        self.kind, self.server, self.over, self.hits = kind, server, threading.Event(), set()

    def run(self):
        while not self.over.wait(0.01):
            for pid in descendants(self.server.process.pid):
                if pid in self.hits:
                    continue
                self.hits.add(pid)
                try:
                    if self.kind == "kill_worker":
                        os.kill(pid, signal.SIGKILL)
                    elif self.kind == "hang_worker":
                        os.kill(pid, signal.SIGSTOP)
                    else:
                        resource.prlimit(pid, resource.RLIMIT_AS, (64 << 20, 64 << 20))
                except (ProcessLookupError, PermissionError, ValueError):
                    pass

    def end(self):
        self.over.set()
        self.join()


class Run:
    """The life of one policy on one stream."""

    def __init__(self, program, stream, policy, folder, budget):
        self.program, self.stream, self.policy, self.folder = program, stream, policy, folder
        self.budget = budget
        self.server = None
        self.days, self.asked, self.answered = [], 0, 0
        self.external_retrains = []
        self.watcher = None

    def live(self):
        # A hanging worker must not cost the bench minutes; nothing else here takes seconds.
        self.server = heal_server.Server(
            self.program, self.folder, self.policy.flag, ("--step-time-max", "60s")
        )
        try:
            for number in range(self.stream.horizon):
                self.day(number)
            self.morning(self.stream.horizon)
            return self.results()
        finally:
            self.server.stop()
            if self.watcher is not None:
                self.watcher.stop()

    def day(self, number):
        """Midnight: files and labels come, everything due is decided. Then the day's rows are asked about."""
        faults = [fault for fault in self.stream.faults if fault.active(number)]
        with Sabotage(self, faults):
            self.morning(number)
            day = heal_stream.day_of(number)
            self.insist(lambda: self.server.move_clock(heal_stream.time_text(day + 0.94 * heal_stream.DAY)))
        for fault in faults:
            if fault.kind == "push":
                self.server.push(fault.version)
                if self.policy.naive:
                    self.server.put_in_service(fault.version)
        if any(fault.kind == "kill_server" for fault in faults):
            self.server.kill()
        self.send_rows(self.stream.batches[number])

    def morning(self, number):
        stream = self.stream
        for batch in stream.batches.values():
            if 0 <= batch.number and batch.number + 1 + batch.file_delay == number:
                heal_server.write_rows(self.folder, batch, stream.label_delay)
        self.insist(lambda: self.server.move_clock(heal_stream.time_text(heal_stream.day_of(number))))
        for batch in stream.batches.values():
            if 0 <= batch.number and heal_stream.known_at(batch, stream.label_delay) == number:
                self.insist(lambda batch=batch: self.server.post_labels(batch))
        if self.policy.external:
            self.look_outside(number)

    def look_outside(self, number):
        """A Python monitor beside the program: where it sees drift, it trains on the newest batches."""
        if self.watcher is None:
            import evidently_client

            self.watcher = evidently_client.Watcher()
            reference = [self.stream.batches[b] for b in range(-heal_stream.HISTORY, 0)]
            self.watcher.refer_to(reference)
        seen = self.stream.batches.get(number - 1)
        if seen is None or seen.number < 0 or not self.watcher.sees_drift(seen):
            return
        newest_labelled = number - 1 - self.stream.label_delay
        text = heal_server.project_text(
            self.stream.label_delay, self.budget, "off", {"since": newest_labelled - 11}
        )
        self.external_retrains.append(number)
        learnt = range(newest_labelled - 11, newest_labelled + 1)
        self.watcher.refer_to([self.stream.batches[b] for b in learnt if b in self.stream.batches])
        heal_server.apply(self.program, self.folder, text, heal_stream.day_of(number))

    def send_rows(self, batch):
        stream = self.stream
        self.asked += len(batch.rows)
        answers, version, error_text = None, None, None
        try:
            answers, version = self.insist(lambda: self.server.predict(batch))
            self.answered += len(batch.rows)
        except heal_server.Unanswered as unanswered:
            error_text = str(unanswered)[:300]
        error = 1.0 if answers is None else float(worlds.expected_error(batch.truth, answers).mean())
        late = stream.label_delay + 1
        self.days.append(
            {
                "batch": batch.number,
                "rows": len(batch.rows),
                "error": error,
                "oracle": stream.oracle_error(batch),
                "told_L1": stream.oracle_error(batch, late),
                "told_L1K": stream.oracle_error(batch, late + self.budget),
                "bayes": stream.bayes_error(batch),
                "version": version,
                **({"unanswered": error_text} if error_text else {}),
            }
        )

    def insist(self, ask):
        """Starts the server anew when it is gone, as a supervisor does. A refusal is not asked again."""
        for attempt in range(UNANSWERED_WAITS + 1):
            try:
                return ask()
            except heal_server.Unanswered:
                if attempt == UNANSWERED_WAITS or not self.server.is_gone():
                    raise
                self.server.start_again()
        raise AssertionError

    def results(self):
        incidents = self.server.incidents()
        self.server.stop()
        versions = sorted({int(day["version"]) for day in self.days if day["version"]})
        probes = {
            version: heal_server.score_probe(self.program, self.folder, version, self.stream.probe)
            for version in versions
        }
        return {
            **self.stream.to_json(),
            "policy": self.policy.name,
            "days": self.days,
            "asked": self.asked,
            "answered": self.answered,
            "server_starts": self.server.starts,
            "external_retrains": self.external_retrains,
            "incidents": incidents,
            "switches": self.switches(probes),
        }

    def switches(self, probes):
        """Each change of the version that answers: where, and the true error before and after."""
        found, before = [], None
        for day in self.days:
            version = int(day["version"]) if day["version"] else before
            if before is not None and version != before:
                found.append(
                    {
                        "batch": day["batch"],
                        "from": before,
                        "to": version,
                        "error_from": self.stream.probe_error(probes[before], day["batch"]),
                        "error_to": self.stream.probe_error(probes[version], day["batch"]),
                    }
                )
            before = version
        return found


class Sabotage:
    """The machine faults of a day, from their beginning to their end."""

    def __init__(self, run, faults):
        kinds = [fault.kind for fault in faults]
        self.run, self.disk = run, "disk_full" in kinds
        self.thieves = [
            Saboteur(kind, run.server)
            for kind in kinds
            if kind in ("kill_worker", "hang_worker", "starve_worker")
        ]

    def limit_files(self, size):
        resource.prlimit(self.run.server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def __enter__(self):
        for thief in self.thieves:
            thief.start()
        if self.disk:
            self.limit_files(0)
            threading.Timer(2.0, self.free).start()  # Somebody makes room after a while.
        return self

    def free(self):
        if self.run.server.process.poll() is None:
            self.limit_files(resource.RLIM_INFINITY)

    def __exit__(self, *_):
        for thief in self.thieves:
            thief.end()
        if self.disk:
            self.free()


def scratch_folder():
    """A folder for runs. In memory where that is possible: what a disk takes for an fsync is not measured."""
    memory = pathlib.Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > SCRATCH_ROOM
    return pathlib.Path(tempfile.mkdtemp(prefix="heal-bench-", dir=memory if roomy else None))


class Bed:
    """One drawn stream, and its world on the first morning: made once, and copied for each policy."""

    def __init__(self, program, name, seed, horizon, budget):
        self.program, self.budget = program, budget
        self.stream = heal_stream.Stream(name, seed, horizon, budget)
        self.work = scratch_folder()
        # Every policy lives at the same place: the record knows where its project lies.
        self.place, self.base = self.work / "run", self.work / "base"

    def life_of(self, policy):
        if not self.base.exists():
            heal_server.make_base(self.program, self.place, self.stream, self.budget)
            self.place.rename(self.base)
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.base, self.place)
        # Nothing that has been made depends on the contract: it is the server's to read.
        text = heal_server.project_text(
            self.stream.label_delay, self.budget, "auto", contract=POLICIES[policy].contract
        )
        (self.place / "trimtab.yaml").write_text(text, encoding="utf-8")
        started = time.monotonic()
        result = Run(self.program, self.stream, POLICIES[policy], self.place, self.budget).live()
        return {**result, "seconds": round(time.monotonic() - started, 1)}

    def clear(self):
        shutil.rmtree(self.work, ignore_errors=True)


def file_of(out, name, seed, policy):
    return pathlib.Path(out) / f"{name}-{seed}-{policy}.json"


def run_or_recall(program, name, seed, policies, out, horizon, budget):
    """The results of one stream under each policy, as they come, from their files when they have been run
    before. A policy that breaks gives {"broken": why} and does not lose the others."""
    bed = None
    try:
        for policy in policies:
            file = file_of(out, name, seed, policy)
            if file.exists():
                yield json.loads(file.read_text(encoding="utf-8"))
                continue
            bed = bed or Bed(program, name, seed, horizon, budget)
            try:
                result = bed.life_of(policy)
            except Exception:  # It is reported and counted.
                yield {"broken": f"{name}:{seed}:{policy}\n{traceback.format_exc()}"}
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            part.write_text(json.dumps(result), encoding="utf-8")
            part.rename(file)
            yield result
    finally:
        if bed is not None:
            bed.clear()
