# SPDX-License-Identifier: Apache-2.0
"""The commands that documents show, and what runs them.

``tests/unit/repository/test_shown.py`` checks that nothing is missing.

A command is a line after ``$`` in a console block, or a line of a literal block that begins with
one of :data:`PROGRAMS`. Those of a document are run by the test that :data:`RUN_BY` names.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.rst", ROOT / "CONTRIBUTING.rst", *sorted(ROOT.glob("doc/**/*.rst")))
)
PROGRAMS = ("heatgen", "openstack", "pytest", "kubectl", "make", "tox", "openssl", ".ci/run")
RUN_BY = {
    "README.rst": "tests/lab/test_readme.py",
    "doc/tutorial/first-cluster.rst": "tests/lab/test_readme.py",
    "doc/how-to/operate-cluster.rst": "tests/lab/test_readme.py",
    "doc/how-to/import-tosca.rst": "tests/tosca/test_document.py",
    "doc/how-to/write-block.rst": "tests/unit/repository/test_docs.py",
}
NOT_RUN = {
    r"make [a-z-]+$|\.ci/run$": "they run all tests, this one too; their names are looked up",
    r"heatgen block lint$": "tox's environment 'blocks' begins with it",
    r"(python3 -m venv|\.|pip install) ": "tox, and tests/unit/repository/test_packaging.py",
    r"openstack stack create ": "the demonstration does; test_readme.py compares the bytes",
    r"openstack stack update --existing --parameter": "tests/lab/test_scale.py",
    r"openstack stack resource mark unhealthy ": "tests/lab/test_replacement.py",
    r"openstack stack update --existing ": "tests/lab/test_replacement.py",
    r"openstack stack delete ": "bench/create_time.py --delete; the lab's only cluster must stay",
    r"openstack keypair create ": "the lab's own preparation has made one",
    r"heatgen logs demo --ssh ": "the way to nodes is the site's; the ring runs it without",
    r"openstack --os-cloud mycloud kube ": "tests/lab/test_readme.py runs one with OS_*",
    r"heatgen complete ": "cliff's own; it writes to the system's folders",
    r"openssl ": "by hand on a node, with keys that no test should have",
}  # fmt: skip
"""Commands that nobody runs as they are shown: a pattern of their beginning, and the reason."""


def commands(document: str) -> list[str]:
    """All commands that a document shows, in its order, without comments."""
    text = (ROOT / document).read_text("utf-8")
    return [line.partition("  #")[0].strip() for line in _lines(text)]


def runnable(*documents: str) -> list[str]:
    """The commands of documents that are to be run, each once."""
    shown = [command for document in documents for command in commands(document)]
    return [command for command in dict.fromkeys(shown) if not reason(command)]


def reason(command: str) -> str:
    """Why a command is not run; empty if it is."""
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), "")


def block(document: str, language: str, number: int = 0) -> str:
    """The text of a document's code block of a language, the first if no number is given."""
    text = (ROOT / document).read_text("utf-8")
    after = text.split(f".. code-block:: {language}\n\n")[number + 1]
    lines = re.split(r"\n(?=\S)", after)[0].splitlines(keepends=True)
    return "".join(line.removeprefix("  ") for line in lines).rstrip("\n") + "\n"


def _lines(text: str) -> Iterator[str]:
    """Lines of blocks that are commands; a last backslash goes on in the next line."""
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
            continue  # a drawing that names programs
        elif kind == "literal" and line.strip().split(" ")[0] in PROGRAMS:
            waiting = line.strip()
        if waiting.endswith("\\"):
            waiting = waiting.removesuffix("\\")
        elif waiting:
            yield waiting
            waiting = ""
