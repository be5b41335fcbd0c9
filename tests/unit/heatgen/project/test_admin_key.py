# SPDX-License-Identifier: Apache-2.0
"""The administrator's key is created once, private, and not overwritten; kubeconfigs with it."""

import base64
import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heatgen.project import admin_key, key_document
from heatgen.stack import kubeconfig
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import ProblemsFound
from tests.unit.heatgen.support import pki
from tests.unit.heatgen.support.pki import AUTHORITY, certificate, outputs, pem


def files(folder: Path) -> tuple[Path, Path]:
    """Return the files of key and request of a cluster."""
    return folder / "c.admin.key", folder / "c.admin.csr"


def test_created_once(tmp_path: Path) -> None:
    """Key and request are created with mode 0600, and are not changed later."""
    key, request = files(tmp_path)
    umask = os.umask(0)
    try:
        first = admin_key.admin_request(key, request, "demo")
    finally:
        os.umask(umask)
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert admin_key.admin_request(key, request, "demo") == first
    assert key.read_bytes() == before


def test_request(tmp_path: Path) -> None:
    """The request has a name in the administrators' group and a P-256 key, and is signed by it."""
    request = x509.load_pem_x509_csr(admin_key.admin_request(*files(tmp_path), "demo").encode())
    assert request.is_signature_valid
    group = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    name = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [item.value for item in group] == ["heatgen:cluster-admins"]
    assert str(name[0].value).endswith("@demo")
    public = request.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"


def test_missing_request(tmp_path: Path) -> None:
    """A missing request is recreated from the existing key."""
    key, request = files(tmp_path)
    admin_key.admin_request(key, request, "demo")
    before = key.read_bytes()
    request.unlink()
    admin_key.admin_request(key, request, "demo")
    assert key.read_bytes() == before


def test_request_without_key(tmp_path: Path) -> None:
    """If only the request exists, as in CI, no key is created."""
    key, request = files(tmp_path)
    text = admin_key.admin_request(key, request, "demo")
    key.unlink()
    assert admin_key.admin_request(key, request, "demo") == text
    assert not key.exists()


def test_other_key(tmp_path: Path) -> None:
    """A request of another key is an error, because the cluster would not be accessible."""
    key, request = files(tmp_path)
    admin_key.admin_request(key, request, "demo")
    key.unlink()
    other = tmp_path / "other.csr"
    admin_key.admin_request(key, other, "demo")
    with pytest.raises(ProblemsFound) as found:
        admin_key.admin_request(key, request, "demo")
    assert [problem.code for problem in found.value.problems] == [Code.ADMIN_KEY_MISMATCH]


@pytest.mark.parametrize(
    ("index", "code"), [(0, Code.INVALID_ADMIN_KEY), (1, Code.INVALID_ADMIN_REQUEST)]
)
def test_malformed_files(tmp_path: Path, index: int, code: Code) -> None:
    """A malformed key or request is reported and not overwritten."""
    path = files(tmp_path)[index]
    path.write_text("something else")
    with pytest.raises(ProblemsFound) as found:
        admin_key.admin_request(*files(tmp_path), "demo")
    assert [(problem.file, problem.code) for problem in found.value.problems] == [(str(path), code)]
    assert path.read_text() == "something else"


@pytest.fixture(scope="module")
def parts() -> tuple[dict[str, str], bytes, ec.EllipticCurvePrivateKey]:
    """Return a stack's outputs, the administrator's key (PEM), and the authority's key."""
    key = pem(ec.generate_private_key(ec.SECP256R1()))
    return outputs(key), key, AUTHORITY


Parts = tuple[dict[str, str], bytes, ec.EllipticCurvePrivateKey]


def test_kubeconfig(parts: Parts) -> None:
    """Server, authority, certificate and key are in the fields that kubectl reads."""
    values, key, _ = parts
    config = yaml.safe_load(kubeconfig.build("demo", values, key))
    assert config["current-context"] == "demo"
    assert config["clusters"][0]["cluster"]["server"] == values["api_endpoint"]
    user = config["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == key
    assert (
        base64.b64decode(user["client-certificate-data"]).decode() == (values["admin_certificate"])
    )
    context = config["contexts"][0]["context"]
    assert (context["cluster"], context["user"]) == ("demo", config["users"][0]["name"])


def test_mismatches(parts: Parts) -> None:
    """Another key or authority, missing outputs and malformed values have codes of their own."""
    values, key, authority = parts
    other = pem(authority)
    other_authority = ec.generate_private_key(ec.SECP256R1())
    unrelated = certificate(other_authority.public_key(), "leaf", other_authority)
    for changed, used, code in (
        (values, other, Code.ADMIN_KEY_MISMATCH),
        ({**values, "ca_certificate": unrelated}, key, Code.CERTIFICATE_NOT_TRUSTED),
        ({**values, "admin_certificate": ""}, key, Code.INVALID_STACK_OUTPUT),
        ({**values, "admin_certificate": "x"}, key, Code.INVALID_STACK_OUTPUT),
        ({**values, "ca_certificate": "x"}, key, Code.INVALID_STACK_OUTPUT),
        (values, b"x", Code.INVALID_ADMIN_KEY),
    ):
        with pytest.raises(kubeconfig.Mismatch) as found:
            kubeconfig.build("demo", changed, used)
        assert found.value.code == code


def test_two_authorities(parts: Parts) -> None:
    """During a rotation one of two authorities signed, and the kubeconfig contains both."""
    values, key, _ = parts
    other = ec.generate_private_key(ec.SECP256R1())
    bundle = certificate(other.public_key(), "leaf", other) + values["ca_certificate"]
    config = yaml.safe_load(kubeconfig.build("demo", {**values, "ca_certificate": bundle}, key))
    cluster = config["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]).decode() == bundle


def test_renewal(tmp_path: Path) -> None:
    """The new key is stored next to the old one until ``finish``, and used again until then."""
    old = tmp_path / "cluster.admin.key"
    admin_key.admin_request(old, tmp_path / "cluster.admin.csr", "demo")
    before = old.read_bytes()
    request = admin_key.Renewal(old).request("demo")
    assert admin_key.Renewal(old).request("demo") == request
    assert old.read_bytes() == before
    admin_key.Renewal(old).finish()
    assert old.read_bytes() != before
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert admin_key.admin_request(old, tmp_path / "cluster.admin.csr", "demo") == request
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cluster.admin.csr", "cluster.admin.key",
    ]  # fmt: skip


ACCEPTED = re.compile(r"CN=[^,+]+,O=heatgen:cluster-admins\n")
"""The rule of the step trust/sign, for what openssl prints."""
USERS = [
    "alice", "CORP+alice", "a,b", "CORP\\alice", "a b", "#a", " a ", "a/b", "a=b", '"', "a\nb",
    "\0", "漢" * 22, "é" * 64, "x" * 300, "\udcff", "+", "系統", "system:masters",
]  # fmt: skip


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("cluster", ["a", "a" * 30])
def test_user_names(
    user: str, cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every name of a user becomes a subject that the step trust/sign accepts."""
    monkeypatch.setattr("getpass.getuser", lambda: user)
    key, request = files(tmp_path)
    text = admin_key.admin_request(key, request, cluster)
    assert admin_key.read_request(request) == text
    words = ["openssl", "req", "-noout", "-verify", "-subject", "-nameopt", "RFC2253"]
    printed = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    subject = printed.stdout.partition("subject=")[2]
    assert ACCEPTED.fullmatch(subject), subject
    assert f"@{cluster}," in subject


def test_usual_names_are_kept() -> None:
    """Usual names are not changed, and a name without usable characters is replaced."""
    assert admin_key.common_name("alice.b-c_d", "demo") == "alice.b-c_d@demo"
    assert admin_key.common_name("CORP+alice", "demo") == "CORP-alice@demo"
    assert admin_key.common_name("+", "demo") == "admin@demo"


O, CN = NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME  # noqa: E741
GROUP = (O, admin_key.ADMIN_GROUP)


@pytest.mark.parametrize(
    "subject",
    [
        [(O, "system:masters"), (CN, "alice")],
        [GROUP, (O, "system:masters"), (CN, "alice")],
        [GROUP],
        [(CN, "alice")],
        [(CN, "alice"), GROUP],
        [GROUP, (CN, "a,b")],
        [GROUP, (CN, "a+b")],
        [GROUP, (CN, "alice"), (NameOID.COUNTRY_NAME, "DE")],
        [(O, "Heatgen:cluster-admins"), (CN, "alice")],
        [],
    ],
)
def test_subjects_that_are_not_signed(
    subject: list[tuple[x509.ObjectIdentifier, str]], tmp_path: Path
) -> None:
    """A request that the step trust/sign would refuse is refused before."""
    key, request = files(tmp_path)
    request.write_bytes(pki.request(*subject))
    with pytest.raises(ProblemsFound) as found:
        admin_key.admin_request(key, request, "demo")
    (problem,) = found.value.problems
    assert (problem.file, problem.code) == (str(request), Code.ADMIN_REQUEST_SUBJECT)
    assert not key.exists()


def test_only_the_request_is_used(tmp_path: Path) -> None:
    """A key or text in the file of the request does not get into the template."""
    key, request = files(tmp_path)
    wanted = pki.request(GROUP, (CN, "alice"))
    secret = pem(ec.generate_private_key(ec.SECP256R1()))
    request.write_bytes(b"Certificate Request:\n" + secret + wanted)
    assert admin_key.admin_request(key, request, "demo") == wanted.decode()


def test_concurrent_first_runs(tmp_path: Path) -> None:
    """Of concurrent first runs all return the same request, which belongs to the key."""
    program = (
        "import sys, pathlib, time\n"
        "from heatgen.project import admin_key\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "for number in range(40):\n"
        "    new = folder / f'{number}.key', folder / f'{number}.csr'\n"
        "    print(repr(admin_key.admin_request(*new, 'demo')))\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path)]
    running = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    results = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert results[0].count("\n") == 40
    assert len(set(results)) == 1
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csr"] * 40 + [".key"] * 40
    for number in range(40):
        admin_key.admin_request(tmp_path / f"{number}.key", tmp_path / f"{number}.csr", "demo")


@pytest.mark.parametrize("size", [0, 100, 260])
def test_full_disk(size: int, tmp_path: Path) -> None:
    """If the disk is full, the key is not written at all, and the next run succeeds."""
    program = (
        "import pathlib, resource, signal, sys\n"
        "from heatgen.project import admin_key\n"
        "from heatgen.yamlio.problems import ProblemsFound\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "try: admin_key.admin_request(folder / 'c.admin.key', folder / 'c.admin.csr', 'demo')\n"
        "except ProblemsFound as found: print(found.problems[0].code, found.problems[0].file)\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path), str(size)]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    key, request = files(tmp_path)
    # The key has 241 bytes, the request more.
    assert printed == f"file-not-writable {request if size == 260 else key}\n"
    assert list(tmp_path.iterdir()) == ([key] if size == 260 else [])
    admin_key.admin_request(key, request, "demo")


def test_files_of_a_killed_run(tmp_path: Path) -> None:
    """Temporary files of a killed run, or a key without request, do not block the next run."""
    key, request = files(tmp_path)
    (tmp_path / ".c.admin.key.0a1b2c3d.new").write_text("part")
    first = admin_key.admin_request(key, request, "demo")
    request.unlink()
    (tmp_path / ".c.admin.csr.0a1b2c3d.new").write_text("part")
    second = admin_key.admin_request(key, request, "demo")
    publics = [x509.load_pem_x509_csr(text.encode()).public_key() for text in (first, second)]
    assert publics[0] == publics[1]


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On file systems without hard links the key is created once, too."""

    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", link)
    key, request = files(tmp_path)
    first = admin_key.admin_request(key, request, "demo")
    draft = admin_key.draft(tmp_path / "x", tmp_path / "y", "demo")
    (tmp_path / "x").write_bytes(key.read_bytes())
    (tmp_path / "y").write_text(first)
    assert key_document.keep(draft) == first
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("target", ["missing", "c.admin.key"])
def test_links_without_target(target: str, tmp_path: Path) -> None:
    """A key that is a link to a file that is not there now is not replaced."""
    key, request = files(tmp_path)
    key.symlink_to(tmp_path / target)
    with pytest.raises(ProblemsFound) as found:
        admin_key.admin_request(key, request, "demo")
    (problem,) = found.value.problems
    assert (problem.file, problem.code) == (str(key), Code.FILE_NOT_READABLE)
    assert [path.name for path in tmp_path.iterdir()] == [key.name]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_interrupted_renewal(steps: int, tmp_path: Path) -> None:
    """A renewal that is killed at any step can be finished."""
    old, request = tmp_path / "c.admin.key", tmp_path / "c.admin.csr"
    admin_key.admin_request(old, request, "demo")
    renewal = admin_key.Renewal(old)
    renewal.request("demo")
    if steps > 0:
        renewal.key_file.replace(old)
    if steps > 1:
        renewal.request_file.replace(request)
    text = renewal.request("demo")
    renewal.finish()
    assert admin_key.admin_request(old, request, "demo") == text
    assert sorted(path.name for path in tmp_path.iterdir()) == [request.name, old.name]


def test_renewal_of_another_file(tmp_path: Path) -> None:
    """A file that is not a key is not replaced by a renewal."""
    other = tmp_path / "cluster.yaml"
    other.write_text("name: demo\n")
    with pytest.raises(ProblemsFound) as found:
        admin_key.Renewal(other).request("demo")
    assert [problem.code for problem in found.value.problems] == [Code.INVALID_ADMIN_KEY]
    assert [path.name for path in tmp_path.iterdir()] == [other.name]
