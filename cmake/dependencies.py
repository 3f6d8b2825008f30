#!/usr/bin/env python3
"""Fetches the archives of pins.txt into the cache folder and tells CMake where they are.

Every archive is checked against its pinned hash before it is unpacked. Every result appears by one rename, so
a run that is killed anywhere leaves nothing that the next one would trust. Of two runs at once, one waits.
"""

import argparse
import collections
import fcntl
import glob
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LIGHTGBM_FLAGS = ["-DBUILD_STATIC_LIB=ON", "-DBUILD_CLI=OFF", "-DCMAKE_BUILD_TYPE=Release"]
# What is unpacked of an archive; everything when it is not listed.
UNPACKED_PARTS = {"duckdb": ["external/duckdb/src/include/", "external/duckdb/third_party/"]}
ATTEMPTS = 3

Pin = collections.namedtuple("Pin", "kind name version hash licence purpose")


class Failure(Exception):
    """A message for the person at the terminal: what happened, and what to do."""


def read_pins(path=HERE / "pins.txt"):
    """The pins in file order."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Pin(*line.split(None, 5)) for line in lines if line and not line.startswith("#")]


def pin(name):
    """The pin whose name is, or ends in, `name`."""
    return next(p for p in read_pins() if p.name == name or p.name.endswith("/" + name))


def cache_folder():
    """The one folder for everything that is fetched."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("TRIMTAB_CACHE") or os.path.join(base, "trimtab"))


def say(text):
    print(f"-- {text}", file=sys.stderr, flush=True)


def run(command, **options):
    """Runs a command; its output is shown only when it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}\nfailed:\n{(done.stderr + done.stdout)[-4000:]}")
    return done.stdout


def retry(what, action):
    """Calls action up to three times, because networks fail for a moment more often than for good."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except Failure as failure:
            if attempt == ATTEMPTS:
                raise Failure(
                    f"could not fetch {what} after {ATTEMPTS} attempts.\n{failure}\n"
                    f"Check the network (pip and go honour their proxy settings) and run the "
                    f"same command again; what was fetched is kept in {cache_folder()}."
                ) from failure
            say(f"fetching {what} failed, trying again ({attempt} of {ATTEMPTS - 1})")
            time.sleep(2 * attempt)
    return None


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def scratch(cache):
    """A temporary folder on the cache's file system, so that a rename out of it is atomic."""
    (cache / "tmp").mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=cache / "tmp", ignore_cleanup_errors=True)


def lock_of(requirements):
    return requirements.with_suffix(".lock")


def read_requirements(file):
    if not file.is_file():
        raise Failure(f"there is no file {file}")
    return file.read_text(encoding="utf-8")


def sha256_of_text(text):
    return hashlib.sha256(text.encode()).hexdigest()


def this_python():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{platform.python_implementation()} {version} {sys.platform} {os.uname().machine}"


def locked(requirements):
    """What to install for a file of requirements: all packages, by version and hash.

    A lock is of one kind of Python; another kind gets what the requirements name, and no hashes.
    """
    written = read_requirements(requirements)
    lock = lock_of(requirements)
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    if f"# of sha256 {sha256_of_text(written)}\n" not in text:
        renew = f"python3 cmake/dependencies.py lock {requirements}"
        raise Failure(f"{lock} is not of this {requirements.name}; run {renew}")
    if f"# for {this_python()}\n" in text:
        return text
    say(f"{lock.name} is for another Python than {this_python()}: its hashes are not used")
    return written


def write_lock(cache, requirements):
    """Asks the package index what the requirements need today and writes it down."""
    written = read_requirements(requirements)
    with scratch(cache) as temporary:
        report = pathlib.Path(temporary) / "report.json"
        ask = [venv(cache, "pip"), "-m", "pip", "install", "--disable-pip-version-check", "-q", "--dry-run"]
        ask += ["--ignore-installed", "--report", report, "-r", requirements]
        if written.startswith("# complete"):
            ask.append("--no-deps")
        run(ask)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    lines = []
    for package in found:
        name, version = package["metadata"]["name"], package["metadata"]["version"]
        digest = package["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{name}=={version} \\\n  --hash=sha256:{digest}\n")
    head = "# Every package, by version and hash; made by cmake/dependencies.py lock.\n"
    head += f"# for {this_python()}\n"
    head += f"# of sha256 {sha256_of_text(written)}\n"
    text = head + "".join(sorted(lines, key=str.lower))
    write_if_changed(lock_of(requirements), text)


def venv(cache, name, packages=""):
    """A private Python environment with the packages of a lock or of requirements; returns its python."""
    folder = cache / "venv" / name
    key = sha256_of_text(sys.version + packages)
    marker = folder / "complete"
    if not marker.exists() or marker.read_text(encoding="utf-8") != key:
        say(f"making the Python environment '{name}'")
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", folder])
        if packages:
            listed = folder / "packages.lock"
            listed.write_text(packages, encoding="utf-8")
            install = [folder / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "-q"]
            if "--hash=" in packages:
                install += ["--no-deps", "--require-hashes"]
            elif packages.startswith("# complete"):
                install.append("--no-deps")
            install += ["-r", listed]
            retry(f"the Python packages of '{name}'", lambda: run(install))
        marker.write_text(key, encoding="utf-8")
    return folder / "bin/python"


def fetch_sdist(cache, wanted):
    """Downloads one source archive; returns the checked file."""
    archive = cache / "dl" / f"{wanted.name}-{wanted.version}.tar.gz"
    if archive.exists() and sha256_of(archive) == wanted.hash:
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    python = venv(cache, "fetch")

    def download():
        with scratch(cache) as folder:
            run(
                [
                    python,
                    "-m",
                    "pip",
                    "download",
                    "--disable-pip-version-check",
                    "--no-deps",
                    "-d",
                    folder,
                    "--no-binary",
                    wanted.name,
                    f"{wanted.name}=={wanted.version}",
                ]
            )
            files = glob.glob(f"{folder}/*.tar.gz")
            found = sha256_of(files[0]) if files else "no archive"
            if found != wanted.hash:
                raise Failure(f"expected sha256 {wanted.hash}, found {found}")
            os.replace(files[0], archive)

    say(f"fetching {wanted.name} {wanted.version}")
    retry(f"{wanted.name} {wanted.version}", download)
    return archive


def unpack(cache, wanted):
    """The folder with the unpacked parts of a source archive."""
    folder = cache / "src" / f"{wanted.name}-{wanted.version}-{wanted.hash[:12]}"
    if folder.exists():
        return folder
    archive = fetch_sdist(cache, wanted)
    parts = tuple(UNPACKED_PARTS.get(wanted.name, [""]))
    say(f"unpacking {wanted.name}")
    with scratch(cache) as temporary, tarfile.open(archive) as tar:
        for member in tar:
            member.name = member.name.partition("/")[2]
            if member.name and ".." not in member.name and member.name.startswith(parts):
                tar.extract(member, temporary + "/new")
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.rename(temporary + "/new", folder)
    return folder


def fetch_go(cache, wanted):
    """Downloads one Go module and checks its sum. The link that marks it as checked is made last."""
    link = cache / "src" / f"{wanted.name.replace('/', '_')}-{wanted.version}"
    if link.exists():
        return link
    # The sum is compared with the pin, so nobody else needs to be asked about it.
    env = dict(
        os.environ,
        GOFLAGS="-mod=mod -modcacherw",
        GOTOOLCHAIN="local",
        GOSUMDB="off",
        GOMODCACHE=str(cache / "go"),
        GOPATH=str(cache / "go"),
        GOCACHE=str(cache / "tmp" / "gocache"),
    )

    def download():
        with scratch(cache) as empty:
            reply = json.loads(
                run(["go", "mod", "download", "-json", f"{wanted.name}@{wanted.version}"], cwd=empty, env=env)
            )
        if reply.get("Sum") != wanted.hash:
            raise Failure(f"expected {wanted.hash}, found {reply.get('Sum')}")
        return reply["Dir"]

    say(f"fetching {wanted.name} {wanted.version}")
    folder = retry(f"{wanted.name} {wanted.version}", download)
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder)
    os.replace(temporary, link)
    return link


def build_lightgbm(cache, wanted):
    """Compiles LightGBM once per archive, compiler and flags; returns its library and headers."""
    compiler = run(["g++", "--version"]).splitlines()[0]
    key = sha256_of_text("\n".join([wanted.hash, compiler, *LIGHTGBM_FLAGS]))[:12]
    folder = cache / "built" / f"lightgbm-{wanted.version}-{key}"
    if folder.exists():
        return folder
    source = unpack(cache, wanted)
    say(f"compiling LightGBM {wanted.version} (once; about three minutes on two cores)")
    with scratch(cache) as temporary:
        # LightGBM writes its library into its source folder, hence the copy.
        copy = pathlib.Path(temporary) / "source"
        shutil.copytree(source, copy)
        run(["cmake", "-S", copy, "-B", f"{temporary}/build", "-G", "Ninja", *LIGHTGBM_FLAGS])
        run(["cmake", "--build", f"{temporary}/build"])
        made = pathlib.Path(temporary) / "new"
        shutil.copytree(copy / "include", made / "include")
        shutil.move(copy / "lib_lightgbm.a", made / "lib_lightgbm.a")
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.rename(made, folder)
    return folder


def write_if_changed(path, text):
    """Leaves the file's time alone when nothing changed, so that CMake does not configure again."""
    path = pathlib.Path(path)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def fetch_for_build(cache, cmake_file):
    """Everything that the C++ build needs, and the file that tells CMake about it."""
    archives = fetch_go(cache, pin("linux-amd64"))
    headers = unpack(cache, pin("duckdb"))
    lightgbm = build_lightgbm(cache, pin("lightgbm"))
    write_if_changed(
        cmake_file,
        f"""# Written by cmake/dependencies.py; run ./dev build to renew it.
set(TRIMTAB_DUCKDB_ARCHIVES "{archives}")
set(TRIMTAB_DUCKDB_HEADERS "{headers}/external/duckdb")
set(TRIMTAB_DUCKDB_VERSION "{pin("duckdb").version}")
set(TRIMTAB_LIGHTGBM "{lightgbm}")
set(TRIMTAB_LIGHTGBM_VERSION "{pin("lightgbm").version}")
""",
    )


def list_pins(cache):
    """One line for each pin: is its archive here?"""
    for wanted in read_pins():
        folder = f"{wanted.name.replace('/', '_')}-{wanted.version}"
        state = "is here" if any((cache / "src").glob(folder + "*")) else "is not fetched yet"
        print(f"{wanted.name.rsplit('/', 1)[-1]:<16} {wanted.version} {state}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="fetch and build what the C++ build links").add_argument("cmake_file")
    verbs.add_parser("list", help="say which archives are here")
    verbs.add_parser("source", help="print the folder of one unpacked archive").add_argument("name")
    verbs.add_parser("lock", help="write down what they need today").add_argument("requirements")
    python = verbs.add_parser("venv", help="print the python of a private environment")
    python.add_argument("name")
    python.add_argument("requirements")
    options = parser.parse_args()
    cache = cache_folder()
    if options.verb == "list":
        return list_pins(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(cache / "tmp", ignore_errors=True)  # what a killed run left
        try:
            if options.verb == "build":
                fetch_for_build(cache, options.cmake_file)
            elif options.verb == "lock":
                write_lock(cache, pathlib.Path(options.requirements))
            elif options.verb == "source":
                print(unpack(cache, pin(options.name)))
            else:
                print(venv(cache, options.name, locked(pathlib.Path(options.requirements))))
        except Failure as failure:
            sys.exit(f"error: {failure}")
    return None


if __name__ == "__main__":
    main()
