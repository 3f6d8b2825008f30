"""The record under load, on a machine that fails: kill -9, a full disk, a broken one, a failed fsync.

What was acknowledged is there afterwards, what was not is there as a whole or not at all, and `trimtab fsck
--full` finds nothing.
"""

import contextlib
import os
import pathlib
import random
import shutil
import statistics
import struct
import subprocess
import tempfile
import time

from demands import demand, demand_whole
from record_load import Client, Load, Refused, Wire

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = 64
RESTART_S_GOAL = 1.0  # Printed only: how long it takes is the machine's affair.
BROKEN_WORDS = "takes no writes since one of them failed"
NONE, FULL, BROKEN, SHORT, TORN, SYNC = range(6)


class Server:
    """`trimtab serve` on a home without a project."""

    running = []

    def __init__(self, program, home, environment=None):
        started = time.monotonic()
        self.home = home
        self.process = subprocess.Popen(
            [program, "serve", "--home", str(home), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        Server.running.append(self)
        line = self.process.stdout.readline()
        self.start_s = time.monotonic() - started
        demand(":" in line, f"the server did not start: {self.process.wait() if not line else line}")
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        demand(self.process.wait(timeout=60) == 0, f"the server ended with {self.process.returncode}")


@contextlib.contextmanager
def home_folder():
    with tempfile.TemporaryDirectory() as name:
        try:
            yield pathlib.Path(name)
        finally:
            while Server.running:
                Server.running.pop().kill()


def demand_kept(clients, port, when):
    wire = Wire(port)
    for client in clients:
        try:
            problems = list(client.check(wire))
        except Refused as refused:
            problems = [f"{refused}"]
        demand(not problems, f"{when}: client {client.number}, run {client.run}: {problems}")


def test_record_kills(program, kills, seed):
    """kill -9 of the server at seeded moments under 64 clients; the same home lives on."""
    chance = random.Random(seed)
    clients = [Client(number) for number in range(CLIENTS)]
    restarts, acknowledged = [], 0
    with home_folder() as folder:
        home = folder / "home"
        server = Server(program, home)
        for number in range(kills):
            load = Load(server.port, clients)
            time.sleep(chance.uniform(0.05, 1.2))
            server.kill()
            load.join()
            when = f"kill {number + 1} of TRIMTAB_SEED={seed}"
            demand(not load.refusals, f"{when}: {load.refusals[:1]}")
            acknowledged += sum(client.kept + client.points_kept for client in clients)
            if number % 10 == 9 or number == kills - 1:
                demand_whole(program, folder, home)
            server = Server(program, home)
            restarts.append(server.start_s)
            demand_kept(clients, server.port, when)
            for client in clients:
                client.start_anew()
        server.stop()
        demand_whole(program, folder, home)
    in_time = sum(restart <= RESTART_S_GOAL for restart in restarts)
    print(
        f"  {kills} kills, {acknowledged:,} batches and points acknowledged, none lost; a restart took"
        f" {statistics.median(restarts):.2f} s, the slowest {max(restarts):.2f} s, {in_time} of them at most"
        f" {RESTART_S_GOAL:.0f} s"
    )


class FaultyDisk:
    """The disk of a server that runs with disk_faults.c."""

    def __init__(self, folder):
        self.library = folder / "disk_faults.so"
        source = HERE / "disk_faults.c"
        command = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(self.library), str(source), "-ldl"]
        subprocess.run(command, check=True)
        self.file = folder / "faults"
        self.file.write_bytes(struct.pack("4i", 0, 0, 0, 0))

    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(self.library), "TRIMTAB_DISK_FAULTS": str(self.file)}

    def set(self, fault, after_writes=0):
        with open(self.file, "r+b") as file:
            file.seek(4)
            file.write(struct.pack("2i", after_writes, 0))
            file.flush()
            file.seek(0)
            file.write(struct.pack("i", fault))

    def facts(self):
        """(the fault now, calls that it hit, fsyncs of the log since one failed)"""
        fault, _, hits, syncs = struct.unpack("4i", self.file.read_bytes())
        return fault, hits, syncs


def read_all(port, clients):
    """Reads go on whatever the disk says."""
    wire = Wire(port)
    for client in clients:
        if client.run:
            wire.get(f"runs/get?run_id={client.run}")
    wire.get("experiments/search?max_results=5")


def demand_refusals(refusals, words, when):
    """MLflow's clients know 503 and try again; 507 is for the routes that are ours alone."""
    wrong = [str(refused) for refused in refusals if refused.status != 503 or words not in refused.body]
    demand(not wrong, f"{when}: {wrong[:1]}")


def test_record_disk_faults(program, rounds, seed):
    """A disk that is full, takes half a write, or writes short: 503 meanwhile, and no restart afterwards."""
    chance = random.Random(seed)
    clients = [Client(number) for number in range(16)]
    hits = 0
    with home_folder() as folder:
        disk = FaultyDisk(folder)
        server = Server(program, folder / "home", disk.environment())
        load = Load(server.port, clients, on_refusal=lambda refused: None)
        for number in range(rounds):
            fault = chance.choice([FULL, TORN, SHORT])
            when = f"fault {number + 1} ({fault}) of TRIMTAB_SEED={seed}"
            before = len(load.refusals)
            disk.set(fault, chance.randrange(40))
            time.sleep(chance.uniform(0.05, 0.3))
            read_all(server.port, clients)
            disk_facts = disk.facts()
            disk.set(NONE)
            hits += disk_facts[1]
            demand_refusals(load.refusals[before:], "o space", when)
            demand(fault != SHORT or len(load.refusals) == before, f"{when}: a short write was refused")
            demand_recovers(server.port, when)
            wait_for_calm(load)
        load.stop()
        demand(load.refusals, "no request ever met a full disk")
        server.kill()
        server = Server(program, folder / "home")
        demand_kept_despite_refusals(clients, server.port)
        server.stop()
        demand_whole(program, folder, folder / "home")
    print(f"  {rounds} faults, {hits} calls hit, {len(load.refusals)} requests refused")


def wait_for_calm(load):
    """Refusals of a fault that is over may still be on their way: they are not the next one's."""
    known = -1
    while known != len(load.refusals):
        known = len(load.refusals)
        time.sleep(0.3)


def demand_recovers(port, when):
    """With space again, a write succeeds without a restart."""
    wire, end = Wire(port), time.monotonic() + 10
    while True:
        try:
            wire.post("runs/create", {"experiment_id": "0"})
            return
        except Refused as refused:
            demand(time.monotonic() < end, f"{when}: still refused 10 s after: {refused}")
            time.sleep(0.05)


def demand_kept_despite_refusals(clients, port):
    """Numbers of refused requests are missing, nothing acknowledged is, and no batch is half there."""
    wire = Wire(port)
    for client in clients:
        if client.run is None:
            continue
        steps = {key: client.steps_of(wire, key) for key in ("a", "b", "c", "point")}
        demand(steps["a"] == steps["b"] == steps["c"], f"client {client.number}: a batch is half there")
        demand(client.kept in [0, *steps["a"]], f"client {client.number}: batch {client.kept} is lost")
        kept_points = [0, *steps["point"]]
        demand(
            client.points_kept in kept_points, f"client {client.number}: point {client.points_kept} is lost"
        )


def test_record_broken_disk(program, rounds, seed):
    """After a failed write or fsync nothing is acknowledged and no fsync is tried again; reads go on."""
    chance = random.Random(seed)
    with home_folder() as folder:
        disk = FaultyDisk(folder)
        for number in range(rounds):
            fault = [SYNC, BROKEN][number % 2]
            when = f"fault {number + 1} ({fault}) of TRIMTAB_SEED={seed}"
            home = folder / f"home-{number}"
            clients = [Client(client) for client in range(16)]
            server = Server(program, home, disk.environment())
            load = Load(server.port, clients, on_refusal=lambda refused: time.sleep(0.01))
            time.sleep(chance.uniform(0.1, 0.4))
            disk.set(fault)
            wait_for(lambda: disk.facts()[1] > 0, f"{when}: nothing met the fault")
            wait_for(
                lambda: any(BROKEN_WORDS in refused.body for refused in load.refusals), f"{when}: no end"
            )
            disk.set(NONE)
            # Answers from before the fault may still be on their way to clients that were not refused yet.
            wait_for(lambda: len(load.refused) == len(clients), f"{when}: not every client was refused")
            kept = [(client.kept, client.points_kept) for client in clients]
            syncs = disk.facts()[2]
            time.sleep(0.3)
            read_all(server.port, clients)
            after = [(client.kept, client.points_kept) for client in clients]
            demand(fault != SYNC or disk.facts()[2] == syncs, f"{when}: fsync was called again")
            load.stop()
            demand(after == kept, f"{when}: acknowledged after the disk had failed: {kept} {after}")
            demand_refusals(load.refusals, "", when)
            server.kill()
            server = Server(program, home)
            demand_kept_despite_refusals(clients, server.port)
            server.stop()
            demand_whole(program, folder, home)
            shutil.rmtree(home)
    print(f"  {rounds} broken disks, nothing acknowledged after the fault, no fsync tried again")


def wait_for(condition, words):
    end = time.monotonic() + 10
    while not condition():
        demand(time.monotonic() < end, words)
        time.sleep(0.005)
