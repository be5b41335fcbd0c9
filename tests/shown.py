# SPDX-License-Identifier: Apache-2.0
"""Commands in documents, and the tests that run them.

``tests/unit/repository/test_shown.py`` checks that every command has a test or an exception.

A command is a line after ``$`` in a console block, or a line of a literal block that starts with
one of :data:`PROGRAMS`. :data:`RUN_BY` names the test that runs the commands of a document.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.rst", ROOT / "CONTRIBUTING.rst", *sorted(ROOT.glob("doc/**/*.rst")))
)
PROGRAMS = (
    "heatgen", "openstack", "pytest", "kubectl", "make", "tox", "openssl", "tofu", ".ci/run",
)  # fmt: skip
RUN_BY = {
    "README.rst": "tests/lab/test_readme.py",
    "doc/tutorial/first-cluster.rst": "tests/lab/test_readme.py",
    "doc/how-to/operate-cluster.rst": "tests/lab/test_readme.py",
    "doc/how-to/upgrade-cluster.rst": "tests/lab/test_upgrade.py",
    "doc/how-to/back-up-and-restore.rst": "tests/lab/test_backup.py",
    "doc/how-to/use-terraform.rst": "tests/lab/test_terraform.py",
    "doc/how-to/import-tosca.rst": "tests/tosca/test_document.py",
    "doc/how-to/write-block.rst": "tests/unit/repository/test_docs.py",
}
NOT_RUN = {
    r"make [a-z-]+$|\.ci/run( nightly)?$": "they run all tests, this one, too; names are checked",
    r"heatgen block lint$": "tox's environment 'blocks' runs it",
    r"(mkdir -p|cd) ": "they choose the directory; the tests use another one",
    r"(python3 -m venv|\.|pip install) ": "tox, and tests/unit/repository/test_packaging.py",
    r"openstack stack create ": "the demonstration runs it; test_readme.py compares the bytes",
    r"openstack stack resource mark unhealthy ": "tests/lab/test_replacement.py",
    r"openstack stack update --existing ": "tests/lab/test_replacement.py",
    r"openstack stack delete ": "bench/create_time.py --delete; the lab's only cluster must remain",
    r"openstack keypair create ": "the setup of the lab creates a key pair",
    r"heatgen restore demo ": "tests/lab/test_restore.py, on a cluster that it may break",
    r"heatgen logs demo --ssh ": "SSH access depends on the site; lab tests run it without --ssh",
    r"openstack --os-cloud mycloud kube ": "tests/lab/test_readme.py runs one with OS_*",
    r"(source <|eval |heatgen completion )": "tests/unit/heatgen/cli/test_completion.py",
    r"heatgen update .* --parameter ": "tests/lab/test_scale.py",
    r"heatgen scale ": "tests/lab/test_scale.py",
    r"heatgen (replace|repair) ": "tests/lab/test_repair.py",
    r"tox -e cloud ": "tests/lab/test_cloud_ring.py runs `python -m cloudring` on the lab",
    r"tofu ": "tests/lab/test_terraform.py",
    r"openssl ": "run manually on a node, with keys that tests must not have",
}  # fmt: skip
"""Commands that no test runs as shown: a regular expression of their start, and the reason."""


def commands(document: str) -> list[str]:
    """Return the commands in a document, in order, without comments."""
    text = (ROOT / document).read_text("utf-8")
    return [line.partition("  #")[0].strip() for line in _lines(text)]


def runnable(*documents: str) -> list[str]:
    """Return the commands in documents that tests have to run, each once."""
    shown = [command for document in documents for command in commands(document)]
    return [command for command in dict.fromkeys(shown) if not reason(command)]


def reason(command: str) -> str:
    """Return why no test runs a command; '' if a test has to run it."""
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), "")


def block(document: str, language: str, number: int = 0) -> str:
    """Return the text of a document's code block of a language, by default the first one."""
    text = (ROOT / document).read_text("utf-8")
    after = text.split(f".. code-block:: {language}\n\n")[number + 1]
    lines = re.split(r"\n(?=\S)", after)[0].splitlines(keepends=True)
    return "".join(line.removeprefix("  ") for line in lines).rstrip("\n") + "\n"


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of blocks that are commands, with continued lines joined."""
    kind, waiting = "", ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            console = re.match(r"\.\. code-block:: console", line)
            literal = line.endswith("::") and not line.startswith("..")
            kind = "console" if console else "literal" if literal else ""
        elif line.endswith("::"):
            kind = "literal"
        elif waiting:
            waiting += line.strip()
        elif kind == "console" and line.startswith("  $ "):
            waiting = line.removeprefix("  $ ")
        elif "──" in line:
            continue  # a diagram with names of programs
        elif kind == "literal" and line.strip().split(" ")[0] in PROGRAMS:
            waiting = line.strip()
        if waiting.endswith("\\"):
            waiting = waiting.removesuffix("\\")
        elif waiting:
            yield waiting
            waiting = ""
