"""The deployment package: what .funcignore lets in, and that it runs on requirements.txt alone."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from packaging.utils import canonicalize_name
from pathspec import GitIgnoreSpec

from . import triggers

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"function_app.py", "host.json", "requirements.txt", "constraints.txt"}

PROBE = """
import json, sys, time
sys.path[:0] = sys.argv[1:]
before = time.process_time()
import function_app
seconds = time.process_time() - before
names = [function.get_function_name() for function in function_app.app.get_functions()]
print(json.dumps({"seconds": seconds, "names": names, "modules": sorted(sys.modules), "from": function_app.__file__}))
"""


def packaged(root: Path) -> Iterator[Path]:
    """The files that azd and Core Tools put into the package: gitignore's rules."""
    ignored = GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text(encoding="utf-8").splitlines())
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not ignored.match_file(f"{(here / name).as_posix()}/")]
        yield from (here / name for name in files if not ignored.match_file((here / name).as_posix()))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, unpacked."""
    folder = tmp_path_factory.mktemp("package")
    for path in packaged(ROOT):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes((ROOT / path).read_bytes())
    return folder


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Path:
    """What Azure's build installs: the requirements in the package, and nothing else."""
    folder = tmp_path_factory.mktemp("libraries")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--target", str(folder), "-r", str(package / "requirements.txt")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"pip cannot install requirements.txt; it needs a package index:\n{done.stderr}"
    return folder


def start(package: Path, libraries: Path, **settings: str) -> dict[str, Any]:
    """The app imported and indexed by a Python that sees nothing but the package and its libraries."""
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", PROBE, str(package), str(libraries)],
        cwd=package, env=settings | {"SECRETS_KEY": Fernet.generate_key().decode()}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def as_deployed(package: Path, libraries: Path) -> dict[str, Any]:
    """Started with the settings of infra/modules/app.bicep: storage through a managed identity."""
    services = {
        f"AzureWebJobsStorage__{kind}ServiceUri": f"https://st.{kind}.core.windows.net" for kind in ("queue", "table")
    }
    sharing = {"SHARING_POLL_SCHEDULE": "0 */5 * * * *", "ENTRA_TENANT_ID": "235ec2cb-0767-40b3-a1de-4da2c42b19e9"}
    return start(package, libraries, AzureWebJobsStorage__clientId="a-client-id", **services, **sharing)


def test_nothing_but_the_app_is_in_the_package() -> None:
    """A new file or folder that the app does not need belongs into .funcignore."""
    others = [path for path in packaged(ROOT) if path.as_posix() not in NEEDED and path.parts[0] != "shared"]
    assert others == []
    page = [path for path in packaged(ROOT) if path.parts[:2] == ("shared", "console")]
    assert {path.suffix for path in page} == {".css", ".html", ".js", ".svg", ".txt"}
    assert {path.suffix for path in packaged(ROOT) if path.parts[0] == "shared" and path not in page} == {".py"}


def test_all_of_the_app_is_in_the_package() -> None:
    code = {path.relative_to(ROOT) for path in (ROOT / "shared").rglob("*.py")}
    page = {path.relative_to(ROOT) for path in (ROOT / "shared/console").rglob("*") if path.is_file()}
    assert code | page | {Path(name) for name in NEEDED} <= set(packaged(ROOT))


def test_the_libraries_of_the_console_are_in_the_package_as_they_were_published() -> None:
    """git ignores them, azd does not; each with its licence."""
    listed = json.loads((ROOT / "infra/scripts/console-files.json").read_text(encoding="utf-8"))
    there = {path.name: path for path in packaged(ROOT) if path.parent == Path("shared/console/vendor")}
    assert there.keys() == {each["to"] for each in listed}
    for each in listed:
        data = (ROOT / there[each["to"]]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == each["sha256"]
        assert data == (ROOT / "node_modules" / each["from"]).read_bytes()
    ignored = subprocess.run(["git", "check-ignore", "shared/console/vendor/lit-html.js"], cwd=ROOT)
    assert ignored.returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        "local.settings.json",
        ".azure/dev/.env",
        "AzuriteConfig",
        "__azurite_db_table__.json",
        "__blobstorage__/0",
        "__queuestorage__/0",
        ".env",
        "prod.env",
        ".venv/pyvenv.cfg",
        ".git/config",
        ".local/secrets.key",
        "shared/__pycache__/app.cpython-312.pyc",
        "node_modules/azurite/package.json",
        "deploy.zip",
        ".vscode/settings.json",
    ],
)
def test_what_lies_about_on_a_machine_stays_there(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("secret")
    assert list(packaged(tmp_path)) == []


def test_the_package_runs_on_its_requirements_alone(package: Path, as_deployed: dict[str, Any]) -> None:
    """Every trigger of function_app.py is found."""
    assert set(as_deployed["names"]) == triggers.names()
    assert as_deployed["from"] == str(package / "function_app.py")


def test_the_start_loads_no_library_before_it_is_needed(
    package: Path, libraries: Path, as_deployed: dict[str, Any], record_testsuite_property: Any
) -> None:
    """azure.identity is a tenth of the start, and only a managed identity needs it; aiohttp is
    needed by the first message, which must not stop the loop for an import. The bound on time is for processor
    time, so that a busy machine does not count, and generous: a slow machine takes a third."""
    on_azurite = start(package, libraries, AzureWebJobsStorage="UseDevelopmentStorage=true")
    loaded = set(on_azurite["modules"])
    assert not {"azure.identity", "msal", "asyncio.windows_events"} & loaded
    assert len(loaded) < 1100
    assert as_deployed["seconds"] < 4
    record_testsuite_property("start_cpu_seconds", as_deployed["seconds"])
    record_testsuite_property("start_modules", len(loaded))


def test_what_is_installed_is_what_is_pinned(package: Path, libraries: Path) -> None:
    """Azure's build reads requirements.txt, and through its first line constraints.txt beside it."""
    installed = {f"{canonicalize_name(each.name)}=={each.version}" for each in distributions(path=[str(libraries)])}
    pinned = {line.partition(";")[0].strip() for line in (package / "constraints.txt").read_text("utf-8").splitlines()}
    assert len(installed) > 25
    assert installed <= pinned


def test_the_package_is_small(package: Path, libraries: Path, record_testsuite_property: Any) -> None:
    """What is uploaded, and what an instance unpacks when it starts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in packaged(package):
            archive.write(package / path, path)
    zipped_kib = len(buffer.getvalue()) / 1024
    libraries_mib = sum(path.stat().st_size for path in libraries.rglob("*") if path.is_file()) / 2**20
    record_testsuite_property("package_zipped_kib", zipped_kib)
    record_testsuite_property("libraries_mib", libraries_mib)
    assert zipped_kib < 600
    assert libraries_mib < 80
