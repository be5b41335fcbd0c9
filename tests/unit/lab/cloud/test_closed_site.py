# SPDX-License-Identifier: Apache-2.0
"""Tests of the closed site: endpoints with TLS, and authorities."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.cloud import authorities, catalog, http, paths, swift

CONFIG = (paths.ETC / "site.conf").read_text()
HEAT_API_TLS = "18004"


@pytest.mark.parametrize("url", [http.IDENTITY, *catalog.ENDPOINTS.values(), swift.ENDPOINT])
def test_each_endpoint_has_one_with_tls(url: str) -> None:
    """Nginx listens on the port of each endpoint with TLS and passes requests to the service."""
    plain, tls = urlsplit(url), urlsplit(catalog.with_tls(url))
    assert (tls.scheme, tls.hostname, tls.path) == ("https", plain.hostname, plain.path)
    assert f"listen 203.0.113.1:{tls.port} ssl;" in CONFIG
    passed = re.search(rf"^ +{tls.port} \S+:(\d+);$", CONFIG, re.MULTILINE)
    assert passed
    assert passed[1] == (HEAT_API_TLS if plain.port == 8004 else str(plain.port))


def test_authorities_sign_their_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each authority signs the certificate with its name, and no other."""
    monkeypatch.setattr(authorities, "DIRECTORY", tmp_path / "tls")
    authorities.make()
    for authority in authorities.NAMES:
        for name in authorities.NAMES:
            files = [str(tmp_path / "tls" / f"{each}.crt") for each in (f"{authority}-ca", name)]
            result = subprocess.run(
                ["openssl", "verify", "-CAfile", *files], capture_output=True, check=False
            )
            assert (result.returncode == 0) == (authority == name)
