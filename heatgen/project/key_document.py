# SPDX-License-Identifier: Apache-2.0
"""Edge: a private key, and the document of its public key, in two files beside ``cluster.yaml``.

The document is the administrator's certificate request, or the certificate to which backups are
sealed. An existing key is never overwritten; the document is used without its key, which may be
stored elsewhere. Both files are written completely or not at all, also by concurrent runs, of which
one creates the key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from heatgen.project import private_key
from heatgen.project.files import create_file, present
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of document."""

    noun: str
    """What it is, for messages."""
    invalid_key: Code
    """Code of the problem that its key is malformed."""
    mismatch: Code
    """Code of the problem that it belongs to another key."""
    mismatch_hint: str
    read: Callable[[Path], str]
    """Return the document in a file (PEM); raise ProblemsFound if it is not usable."""
    create: Callable[[ec.EllipticCurvePrivateKey, str], str]
    """Return a new document (PEM) of a key and the name of a cluster."""
    public_key: Callable[[str], object]
    """Return the public key in a document."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Key and document as they are, or would be created."""

    kind: Kind
    key_file: Path
    document_file: Path
    cluster: str
    document: str
    """PEM."""
    new_key: str
    """The key (PEM) that has to be written; '' for none."""
    new_document: bool
    """Whether the document has to be written."""


def draft(kind: Kind, key_file: Path, document_file: Path, cluster: str) -> Draft:
    """Read key and document, or create them in memory.

    Args:
        kind: kind of the document.
        key_file: EC P-256 key, PEM, mode 0600.
        document_file: the document, PEM.
        cluster: name of the cluster, part of the name in the document.

    Raises:
        ProblemsFound: a file is malformed, or key and document do not match.
    """
    known, exists = present(key_file), present(document_file)
    key = private_key.read(key_file, kind.invalid_key) if known else None
    pem = ""
    if exists:
        text = kind.read(document_file)
        if key is not None:
            _check_match(kind, document_file, text, key_file, key)
    else:
        if key is None:
            key = private_key.create()
            pem = private_key.pem(key)
        text = kind.create(key, cluster)
    return Draft(
        kind=kind,
        key_file=key_file,
        document_file=document_file,
        cluster=cluster,
        document=text,
        new_key=pem,
        new_document=not exists,
    )


def keep(drafted: Draft) -> str:
    """Write what is new in a draft; return the document that is in its file then.

    It is another one if a concurrent run has created key or document since the draft.

    Raises:
        ProblemsFound: a file cannot be written, or those of the concurrent run are not usable.
    """
    # The key first: a killed run leaves a key from which the next one creates the document.
    written = not drafted.new_key or create_file(drafted.key_file, drafted.new_key, 0o600)
    if written and drafted.new_document:
        written = create_file(drafted.document_file, drafted.document)
    if written:
        return drafted.document
    again = draft(drafted.kind, drafted.key_file, drafted.document_file, drafted.cluster)
    return keep(again)


def _check_match(
    kind: Kind, document_file: Path, document: str, key_file: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    """Raise if a document belongs to another key."""
    if private_key.public(kind.public_key(document)) != private_key.public(key.public_key()):
        message = f"the {kind.noun} does not belong to the key {key_file}"
        hint = kind.mismatch_hint
        problem = Problem(str(document_file), None, message, hint, code=kind.mismatch)
        raise ProblemsFound([problem])
