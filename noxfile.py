"""The sessions: what is checked, each in an environment of its own.

`nox --list` shows them; `python3 tools/dev.py test` runs them and sums up. `uv lock` runs once, and everything after it
is `--frozen`: sessions that share the lock file only read it, so they may run side by side.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools"))
from _environment import NOT_PASSED_ON, SUPPORTED, pythons_here, tool_environment, uncompilable  # noqa: E402  # found only after the line above
from _types import search_path, test_files, test_turns, tool_files  # noqa: E402  # likewise
from _versions import CORE, core_tags, lowest, released_packages  # noqa: E402  # likewise
from _workspace import RULES, Package, compiled_packages, packages, requirement_name  # noqa: E402  # likewise

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"  # `uv sync` is exact: it also removes what does not belong there
nox.options.stop_on_first_error = False
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # a missing Python is said in the summary, in CI too
os.environ |= tool_environment()
for _name in NOT_PASSED_ON:
    os.environ.pop(_name, None)

PACKAGES = packages()
COMPILED = compiled_packages()
ENGINES = "tests/test_engines.py"
"""The comparison of the two readers, which needs the compiled one."""
DOCS = "tests/docs_site"
"""The tests of the built documentation, which need what builds it."""
THIRD_PARTY = "tests/third_party/test_third_party.py"
"""Repositories of their own, built and tested from wheels alone."""
PRIMARY = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sorted({*SUPPORTED, PRIMARY}, key=lambda version: int(version.partition(".")[2]))
REPORTS = ROOT / ".reports"
LOCKED: list[bool] = []
CI = ["ci"]
"""The tag of what a CI service runs: all but what only measures or writes something."""


def lock(session: nox.Session) -> None:
    """Bring `uv.lock` up to date, once for all sessions; `dev.py` has done that before it starts the first one."""
    if not LOCKED and "WORKSPACE_IS_LOCKED" not in os.environ:
        session.run_install("uv", "lock", "--quiet")
        LOCKED.append(True)


def sync(session: nox.Session, *arguments: str) -> None:
    """Make the session's environment exactly what `arguments` choose from the lock file."""
    lock(session)
    session.run_install(
        *("uv", "sync", "--frozen", "--quiet", "--no-default-groups", f"--python={session.virtualenv.location}"),
        *arguments,
        *(f"--no-install-package={name}" for name in uncompilable()),
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


def run_pytest(session: nox.Session, *paths: str) -> None:
    """Run pytest; its counts go to `.reports/junit`, what ran where to `.reports/services-*.jsonl`."""
    options = [word for word in session.posargs if word != "--require-services" and not word.startswith("tests/")]
    # Only an environment with the kit (and so with its plugin) knows these options.
    kit = "import importlib.metadata as m; print([e.value for e in m.entry_points(group='pytest11')])"
    if "dicom_common.testing" in str(session.run("python", "-c", kit, silent=True, log=False)):
        options.append(f"--service-report={REPORTS / f'services-{session.name}.jsonl'}")
        options.extend(word for word in session.posargs if word == "--require-services")
    filtered = any(word.startswith(("-k", "-m")) for word in options)
    session.run(
        *(
            "pytest",
            f"--junitxml={REPORTS / 'junit' / f'{session.name}.xml'}",
            "-o",
            f"junit_suite_name={session.name}",
        ),
        *options,
        *paths,
        success_codes=[0, 5] if filtered else [0],  # 5: the filter left no test, which is no fault of this package
    )


@nox.session(tags=CI)
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    sync(session, "--only-group=lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(tags=CI)
def types(session: nox.Session) -> None:
    """Check types: mypy --strict over all packages, their tests and the tools at once."""
    sync(session, "--all-packages", "--all-groups")
    sources = [str(package.folder / "src") for package in [*PACKAGES, *COMPILED] if package.module]
    session.run("mypy", *sources, *map(str, tool_files()), env=search_path())
    for turn in test_turns([*PACKAGES, *COMPILED]):
        session.run("mypy", *map(str, turn), env=search_path())
    session.run("mypy", *map(str, test_files()), env=search_path(with_tests=True))


@nox.session(tags=CI)
def layout(session: nox.Session) -> None:
    """Check the rules that make a namespace of many distributions work, and what must not be in any code."""
    sync(session, "--only-group=test")
    run_pytest(session, "--noconftest", *RULES)


def tests_of(package: Package) -> Callable[[nox.Session], None]:
    """Make the session that tests one package with its own requirements and nothing else."""

    def tests(session: nox.Session) -> None:
        needed = {requirement_name(requirement) for requirement in package.requirements}
        if missing := sorted(needed.intersection(uncompilable())):
            session.skip(f"{missing[0]} cannot be compiled here: see packages/{package.name}/README.md")
        sync(session, f"--package={package.name}", *(["--group=test"] if "test" in package.groups else []))
        run_pytest(session, str(package.tests.relative_to(ROOT)))

    tests.__doc__ = f"Test {package.name} with its own requirements and nothing else."
    return tests


def build_wheels(session: nox.Session, folder: Path, *, of: Path = ROOT) -> Path:
    """Build the wheels of all packages of a checkout into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    with session.chdir(of):
        session.run_install("uv", "build", "--all-packages", "--wheel", "--quiet", f"--out-dir={folder}")
    return folder


def oldest_of(package: Package) -> Callable[[nox.Session], None]:
    """Make the session that tests one package with the lowest versions that it allows."""

    def oldest(session: nox.Session) -> None:
        wheels = build_wheels(session, REPORTS / "oldest" / package.name)
        lowest_direct = ("--resolution=lowest-direct", "--no-sources", f"--find-links={wheels}")
        session.install("--quiet", *lowest_direct, *lowest(package), next(map(str, wheels.glob(wheel_of(package)))))
        run_pytest(session, str(package.tests.relative_to(ROOT)))

    oldest.__doc__ = f"Test {package.name} with the lowest versions of everything that it allows, the core's too."
    return oldest


def wheel_of(package: Package) -> str:
    """Return a pattern for the file name of a package's wheel."""
    return f"{package.name.replace('-', '_')}-[0-9]*.whl"


for _package in PACKAGES:
    if any(_package.tests.rglob("test_*.py")):
        nox.session(name=f"tests-{_package.name}", python=PYTHONS, tags=CI)(tests_of(_package))
        nox.session(name=f"oldest-{_package.name}", default=False, tags=CI)(oldest_of(_package))


@nox.session(default=False, tags=CI)
def downstream(session: nox.Session) -> None:
    """Run the contracts of third parties from wheels, and the tests of the core's last release's plugins, today.

    The plugins of the last release are tested against today's core.
    """
    sync(session, "--only-group=test")
    session.env["DICOM_COMMON_TEST_WHEELS"] = str(build_wheels(session, REPORTS / "downstream" / "today"))
    run_pytest(session, "--noconftest", THIRD_PARTY)
    tags = core_tags()
    if not tags:
        session.skip("no release of dicom-common-core is tagged yet")
    folder = Path(session.create_tmp()) / "released"
    shutil.rmtree(folder, ignore_errors=True)
    plugins = released_packages(tags[0], folder)
    before = build_wheels(session, REPORTS / "downstream" / "released", of=folder)
    [core] = (REPORTS / "downstream" / "today").glob(f"{CORE.replace('-', '_')}-[0-9]*.whl")
    for plugin in plugins:
        if any(plugin.tests.rglob("test_*.py")):
            wanted = [*plugin.groups.get("test", []), *map(str, before.glob(wheel_of(plugin)))]
            session.install("--quiet", "--no-sources", f"--find-links={before}", *wanted)
            session.install("--quiet", "--no-deps", "--force-reinstall", str(core))
            session.run("pytest", f"--rootdir={folder}", f"--confcutdir={plugin.tests}", str(plugin.tests))


@nox.session(default=False)
def constraints(session: nox.Session) -> None:
    """Write `dist/constraints.txt`: the tested version of every requirement, with hashes, for `pip install -c`."""
    lock(session)
    (ROOT / "dist").mkdir(exist_ok=True)
    chosen = ("--all-packages", "--all-extras", "--no-default-groups", "--no-emit-workspace")
    session.run_install(
        *("uv", "export", "--frozen", "--quiet", "--format=requirements.txt", "--output-file=dist/constraints.txt"),
        *chosen,
        "--no-header",
    )


@nox.session(python=PYTHONS, tags=CI)
def imports(session: nox.Session) -> None:
    """Install everything and import every module: what a Python version breaks, it mostly breaks here."""
    sync(session, "--all-packages")
    session.run("python", "-W", "error::SyntaxWarning", "tools/_import_all.py")


@nox.session(tags=CI)
def wheels(session: nox.Session) -> None:
    """Build every wheel and sdist, install each wheel alone, import it and use it."""
    sync(session, "--only-group=test")
    folder = REPORTS / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("uv", "build", "--all-packages", "--quiet", f"--out-dir={folder}")
    session.env["DICOM_COMMON_TEST_WHEELS"] = str(folder)
    session.env["DICOM_COMMON_TEST_LEFT_OUT"] = " ".join(uncompilable())
    run_pytest(session, "--noconftest", "tests/wheels", THIRD_PARTY)


@nox.session(tags=CI)
def integration(session: nox.Session) -> None:
    """Run what crosses packages, with all of them installed."""
    sync(session, "--all-packages", "--group=test")
    chosen = [word for word in session.posargs if word.startswith("tests/")]
    run_pytest(
        session,
        *(chosen or ["tests", *(f"--ignore={path}" for path in (*RULES, "tests/wheels", "tests/third_party", DOCS))]),
    )


@nox.session(tags=CI)
def docs(session: nox.Session) -> None:
    """Build the documentation, where a warning is an error, and check its links."""
    sync(session, "--only-group=docs")  # sources are read, not imported
    session.run("python", "tools/build_docs.py")
    session.env["DICOM_COMMON_TEST_SITE"] = str(ROOT / "build" / "docs" / "site")
    run_pytest(session, "--noconftest", DOCS)


@nox.session(tags=CI)
def native(session: nox.Session) -> None:
    """Build the packages with compiled code, run the tests of the reader with them, and compare the two readers."""
    if shutil.which("cargo") is None:
        if "--require-services" in session.posargs:
            session.error(NO_CARGO)
        session.skip(NO_CARGO)
    sync(session, "--all-packages", "--group=test")
    install_compiled(session)
    tested = [package.tests for package in [*COMPILED, *PACKAGES] if package.name in ENGINE_TESTS]
    run_pytest(session, *(str(folder.relative_to(ROOT)) for folder in tested), ENGINES)


ENGINE_TESTS = ("dicom-common-native", "dicom-common-dicom")
"""The packages whose tests are run with the native reader; in sessions of their own, with the Python reader."""


NO_CARGO = "the native reader was not built: cargo is not installed"


def install_compiled(session: nox.Session) -> None:
    """Build the wheels of the packages with compiled code, and install them."""
    for package in COMPILED:
        folder = REPORTS / "compiled" / session.name / package.name
        shutil.rmtree(folder, ignore_errors=True)
        build = ("uv", "build", "--quiet", "--wheel", f"--out-dir={folder}", str(package.folder))
        session.run_install(*build, env={"CARGO_TARGET_DIR": str(ROOT / ".nox" / "cargo-target")})
        session.install("--quiet", "--no-deps", "--force-reinstall", *map(str, folder.glob("*.whl")))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run benchmarks and write what they measured: `nox -s bench -- OUTPUT.json FILE...`."""
    sync(session, "--all-packages", "--group=test")
    if shutil.which("cargo") is None:
        session.warn(NO_CARGO)
    elif any("reader" in word for word in session.posargs):
        install_compiled(session)
    session.run("python", "tools/_measure.py", *session.posargs)


nox.options.sessions = [
    *("lint", "types", "layout"),
    *(f"tests-{package.name}-{PRIMARY}" for package in PACKAGES if any(package.tests.rglob("test_*.py"))),
    *(f"imports-{version}" for version in pythons_here() if version != PRIMARY),
    *("wheels", "docs", "native", "integration"),
]
