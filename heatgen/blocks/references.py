# SPDX-License-Identifier: Apache-2.0
"""URLs of artifacts and references of images, with the values of options inserted."""

from collections.abc import Mapping
from typing import Any

from heatgen.blocks.catalog import Block


class Unresolved(ValueError):
    """A reference cannot be resolved; the text is the message, with what to do."""


def artifact_url(url: str, mirror: str) -> str:
    """Return the URL from which nodes download an artifact: upstream's or the mirror's."""
    return f"{mirror}/{url.removeprefix('https://')}" if mirror else url


def option_text(template: str, options: Mapping[str, Any]) -> str:
    """Return a text with each ``{option}`` replaced by the option's value.

    Raises:
        Unresolved: an option does not exist.
    """
    try:
        return template.format_map(options)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise Unresolved(f"{template!r} refers to an unknown option: {error}") from None


def artifact_urls(block: Block, options: Mapping[str, Any]) -> dict[str, str]:
    """Return upstream's URLs of a block's artifacts by name."""
    return {name: option_text(item.url, options) for name, item in block.artifacts.items()}


def image_references(block: Block, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the references of a block's images, without digests, by name."""
    return {name: option_text(item, options) for name, item in block.images.items()}
