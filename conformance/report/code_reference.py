# SPDX-License-Identifier: Apache-2.0
"""Reference page of the codes of check failures. Pure."""

from conformance.codes import Code

HEAD = """\
.. SPDX-License-Identifier: Apache-2.0
.. Generated from conformance/codes.py; a test compares the two.

==============
Check failures
==============

Each failed check of the conformance suite has a code. Messages may be reworded between releases;
a code keeps its meaning. It is

* the last line of the message on the terminal and in the HTML report,
* ``code`` of a test in the file of ``--results``,
* the attribute ``type`` of ``<failure>`` in the file of ``--junitxml``.

Inconclusive tests (errors) and skips have no code.

.. list-table::
   :header-rows: 1
   :widths: 35 65

   * - Code
     - Meaning
"""


def page() -> str:
    """Return the page as reStructuredText, with the codes in alphabetical order."""
    return HEAD + "".join(
        f"   * - ``{code}``\n     - {code.description}\n" for code in sorted(Code)
    )
