# SPDX-License-Identifier: Apache-2.0
"""``update_window`` of an operating system: when servers may restart for its updates.

The control-plane nodes restart one after the other in a window, each with a slot of ten minutes:
the time from the lock in etcd to an API server that is ready again.
"""

import re
from collections.abc import Iterator

from heatgen.layers import OS
from heatgen.spec.model import Spec
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem

OPTION = "update_window"
SLOT = 10
"""Minutes for the restart of a server, as in ``hot/os/maintenance.sh``."""
_LONGEST = 720
_LENGTH = re.compile(r"/(\d{2,3})m\Z")


def check(document: Document, spec: Spec) -> Iterator[Problem]:
    """Check that each window is long enough for the restarts in it."""
    count = spec.control_plane.count
    value = str(spec.layers[OS].options.get(OPTION, ""))
    who = f"{count} control-plane nodes, which restart one after the other" if count > 1 else ""
    yield from _check(document, (OS, OPTION), value, count, who)
    for index, group in enumerate(spec.workers):
        path = ("workers", index, OS, OPTION)
        if path in document.values:
            own = str(group.layers[OS].options.get(OPTION, ""))
            yield from _check(document, path, own, 1, "")


def _check(document: Document, path: Path, value: str, count: int, who: str) -> Iterator[Problem]:
    """Yield a problem if a window is shorter than the slots of a number of servers, or too long."""
    found = _LENGTH.search(value)
    if not found:
        return
    minutes, least = int(found[1]), max(1, count) * SLOT
    if minutes < least:
        message = f"{dotted(path)}: {minutes} minutes are too short for {who or 'a restart'}"
        hint = f"choose at least {least} minutes: {value.partition('/')[0]}/{least}m"
        yield document.problem(path, message, hint, code=Code.OUT_OF_RANGE)
    elif minutes > _LONGEST:
        message = f"{dotted(path)}: a window has at most {_LONGEST} minutes, not {minutes}"
        hint = "choose a shorter window"
        yield document.problem(path, message, hint, code=Code.OUT_OF_RANGE)
