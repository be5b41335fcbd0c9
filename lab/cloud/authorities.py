# SPDX-License-Identifier: Apache-2.0
"""Private authorities of the lab, with certificates for `etc/site.conf`.

`cloud` signs the certificate of the APIs of RegionTLS, `site` that of the mirror and the registry
beyond the proxy. `token` is the self-signed certificate of the token server.
"""

import subprocess
from pathlib import Path

from lab.cloud import paths

DIRECTORY = paths.CLOUD / "tls"
NAMES = {
    "cloud": "IP:203.0.113.1",
    "site": "DNS:mirror.lab.test,DNS:registry.lab.test",
}


def make() -> None:
    """Create all keys and certificates."""
    DIRECTORY.mkdir(mode=0o700)
    for name, subject in NAMES.items():
        authority = certificate(f"{name}-ca", f"lab {name} authority", "basicConstraints=CA:true")
        usage = ["basicConstraints=CA:false", "extendedKeyUsage=serverAuth"]
        certificate(name, f"lab {name}", *usage, f"subjectAltName={subject}", authority=authority)
    certificate("token", "lab token server", "basicConstraints=CA:true")


def certificate(name: str, subject: str, *extensions: str, authority: Path | None = None) -> Path:
    """Create a key and its certificate, self-signed without an authority; return its path."""
    path = DIRECTORY / f"{name}.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "365", "-config", "/dev/null", "-subj", f"/CN={subject}"]
    command += ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    for extension in extensions:
        command += ["-addext", extension]
    if authority is not None:
        command += ["-CA", str(authority), "-CAkey", str(authority.with_suffix(".key"))]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return path
