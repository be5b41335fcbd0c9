# SPDX-License-Identifier: Apache-2.0
"""Select the components to build, and those to serve."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from lab.artifacts.images import Image
from lab.artifacts.recipes import Component, RecipeError


def check_names(names: Iterable[str], components: Sequence[Component]) -> None:
    """Check that components exist.

    Raises:
        RecipeError: a component does not exist.
    """
    known = [component.name for component in components]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise RecipeError(f"no component {unknown[0]!r}: use one of {', '.join(known)}")


def to_build(
    names: Iterable[str], components: Sequence[Component], images: Sequence[Image]
) -> set[str]:
    """Return the names of the components to build: `names` and all that is in their archives.

    All images are always served; therefore their components are built as well.
    """
    included = _included(components)
    found: set[str] = set()
    pending = set(names).union(*(image.components for image in images))
    while pending:
        found |= pending
        pending = set().union(*(included[name] for name in pending)) - found
    return found


def to_serve(
    built: Collection[str], cached: Iterable[str], components: Sequence[Component]
) -> set[str]:
    """Return the names of the components to serve: those built now, and those built before.

    A component that was built before is left out if a part of its archive was not.
    """
    included = _included(components)
    found = {*built, *cached}
    while incomplete := {name for name in found if not included[name] <= found}:
        found -= incomplete
    return found


def _included(components: Sequence[Component]) -> Mapping[str, set[str]]:
    return {component.name: component.included for component in components}
