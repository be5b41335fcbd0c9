# SPDX-License-Identifier: Apache-2.0
"""URLs of artifacts and references of images, with the values of options filled in."""

from collections.abc import Mapping
from typing import Any

from heatgen.blocks.catalog import Block


class Unresolved(ValueError):
    """A reference that leads nowhere; the text says why and what to do."""


def artifact_url(url: str, mirror: str) -> str:
    """Where nodes fetch an artifact: upstream, or the mirror's copy of the same path."""
    return f"{mirror}/{url.removeprefix('https://')}" if mirror else url


def option_text(template: str, options: Mapping[str, Any]) -> str:
    """A text with ``{option}`` replaced by values of options.

    Raises:
        Unresolved: an option is not there.
    """
    try:
        return template.format_map(options)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise Unresolved(f"{template!r} names an option that is not there: {error}") from None


def artifact_urls(block: Block, options: Mapping[str, Any]) -> dict[str, str]:
    """Upstream's URLs of a block's artifacts by name."""
    return {name: option_text(item.url, options) for name, item in block.artifacts.items()}


def image_references(block: Block, options: Mapping[str, Any]) -> dict[str, str]:
    """References of a block's images, without digests, by name."""
    return {name: option_text(item, options) for name, item in block.images.items()}
