# SPDX-License-Identifier: Apache-2.0
"""Result of the check of one requirement of a plan against the state of a cloud."""

from dataclasses import dataclass

from heatgen.yamlio.codes import Code

FINE, MISSING, UNKNOWN = "fine", "missing", "unknown"
"""Results of a check; :data:`UNKNOWN` if the cloud did not report the state."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """Result of the check of one requirement; the fields are columns of ``heatgen plan``."""

    what: str
    needed: str
    there: str
    verdict: str
    advice: str = ""
    code: Code | str = ""
    """Code of the problem if the requirement is not met."""
