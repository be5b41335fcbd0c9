# SPDX-License-Identifier: Apache-2.0
"""Across the layers: ports require authentication and current TLS, certificates are valid.

Pods cannot reach the metadata service of the cloud.
"""

from datetime import datetime
from ipaddress import ip_address

import pytest

from conformance import cis_rules
from conformance.codes import Code
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts
from conformance.facts.security import Certificate, Handshake, TlsPort
from conformance.faults import detects
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip
from conformance.support.prerequisites import paths

pytestmark = pytest.mark.hardening


# ---- ports ----


def test_api_refuses_anonymous_clients(facts: Facts) -> None:
    """The API rejects a request for all Secrets that has no credentials."""
    seen = value_or_skip(facts.anonymous)
    require(
        seen in (401, 403),
        at="the API's /api/v1/secrets without credentials",
        expected="HTTP 401 or 403",
        seen=f"HTTP {seen}",
        likely="a role is bound to system:anonymous or system:unauthenticated",
        look="kubectl get clusterrolebindings -o wide | grep -e anonymous -e unauthenticated",
        code=Code.ANONYMOUS_REQUEST_ADMITTED,
    )


def test_api_server_needs_credentials(facts: Facts, host: str, api_server: str) -> None:
    """Each API server answers a request without credentials with 401, even for its health."""
    answer = value_or_skip(facts.view(host).api).get(api_server)
    if answer is None or not answer.anonymous:
        raise InconclusiveError(
            f"{host}: {api_server} does not answer (see test_api_server_answers)"
        )
    require(
        answer.anonymous == 401,
        at=f"{host}: {api_server}/readyz without credentials",
        expected="HTTP 401",
        seen=f"HTTP {answer.anonymous}",
        likely="kube-apiserver runs without --anonymous-auth=false",
        look="on that server: systemctl cat kube-apiserver | grep anonymous",
        code=Code.ANONYMOUS_REQUEST_ADMITTED,
    )


def test_kubelet_refuses_anonymous_clients(facts: Facts, node: str) -> None:
    """The kubelet rejects requests without credentials."""
    seen = value_or_skip(facts.view(node).kubelet_doors).anonymous
    if not seen:
        raise InconclusiveError(f"{node}: TCP 10250 does not answer on the node itself")
    require(
        seen == 401,
        at=f"{node}: https://{facts.nodes[node].address}:10250/pods without credentials",
        expected="HTTP 401",
        seen=f"HTTP {seen}",
        likely="authentication.anonymous.enabled is true in the kubelet's configuration",
        look=f"kubectl get --raw /api/v1/nodes/{node}/proxy/configz",
        code=Code.KUBELET_OPEN,
    )


def test_ports_without_authentication_are_closed(facts: Facts, node: str) -> None:
    """Ports without authentication are closed or listen on a loopback address only."""
    open_ports = {
        f"{each.address}:{each.port}": cis_rules.CLOSED_PORTS.get(each.port)
        or cis_rules.LOCAL_PORTS[each.port]
        for each in value_or_skip(facts.view(node).listeners)
        if each.port in cis_rules.CLOSED_PORTS
        or (each.port in cis_rules.LOCAL_PORTS and not ip_address(each.address).is_loopback)
    }
    kubelet = facts.view(node).kubelet_doors
    if not isinstance(kubelet, Unavailable) and kubelet.read_only:
        open_ports["10255"] = cis_rules.CLOSED_PORTS[10255]
    require(
        not open_ports,
        at=f"{node}: listening sockets",
        expected=f"none of {', '.join(map(str, cis_rules.CLOSED_PORTS))}; "
        f"{', '.join(map(str, cis_rules.LOCAL_PORTS))} on 127.0.0.1 only",
        seen=", ".join(f"{address} ({what})" for address, what in open_ports.items()),
        likely="--bind-address or a listen URL of that component, or the kubelet's readOnlyPort",
        look=f"on {node}: ss -ltnp",
        code=Code.PORT_OPEN_WITHOUT_AUTHENTICATION,
    )


# ---- the metadata service ----


@detects("metadata-open")
def test_metadata_service_is_closed_to_pods(facts: Facts, expected: Expectation, node: str) -> None:
    """Pods reach the metadata service of the cloud only if the cluster allows it."""
    access = expected.flannel.get("metadata_service")
    if access is None:
        pytest.skip("the expected state does not define the access of pods to the metadata service")
    seen = paths(facts, node).metadata
    if seen is None:
        pytest.skip(f"{node}: the facts of an older version lack the metadata service")
    reached = value_or_skip(seen)
    if reached.pod and reached.host and "refused" not in reached.pod:
        pytest.skip(f"{node}: the cloud has no metadata service: {reached.host} on the node, too")
    look = f"on {node}: systemctl status pod-metadata; nft list table inet heatgen-metadata"
    require(
        access == "allow" or reached.pod != "",
        at=f"{node}: http://169.254.169.254 from a pod",
        expected="no connection (network.metadata_service: deny)",
        seen="a connection to the service that returns the password of the server",
        likely="the packet filter of the network block was deleted, for example by a firewall "
        "that deletes the rules of other programs",
        look=f"{look}; systemctl restart pod-metadata",
        code=Code.METADATA_SERVICE_OPEN,
    )
    require(
        access == "deny" or reached.pod == "" or reached.host != "",
        at=f"{node}: http://169.254.169.254 from a pod",
        expected="a connection, as on the node itself (network.metadata_service: allow)",
        seen=reached.pod,
        likely="a packet filter that heatgen did not create, or one of an earlier configuration",
        look=look,
        code=Code.METADATA_SERVICE_BLOCKED,
    )


# ---- TLS ----


def test_port_accepts_modern_tls(facts: Facts, tls_port: tuple[str, str]) -> None:
    """The port accepts TLS 1.2 or 1.3, without which a refusal of older TLS proves nothing."""
    port = port_of(facts, tls_port)
    require(
        bool(port.today.agreed),
        at=f"{tls_port[0]}: TLS at {port.address} ({tls_port[1]})",
        expected="TLS 1.2 or 1.3",
        seen=port.today.refused,
        likely="the component does not run, or its certificate or key cannot be read",
        look=f"on {tls_port[0]}: openssl s_client -connect {port.address}",
        code=Code.TLS_UNAVAILABLE,
    )


def test_old_tls_is_refused(facts: Facts, tls_port: tuple[str, str]) -> None:
    """The port refuses TLS 1.1 and older."""
    port = tls_port_of(facts, tls_port)
    require_refused(
        tls_port,
        port.address,
        port.old,
        what="TLS 1.1",
        expected="a refusal",
        likely="the component's minimum TLS version is too low (tls-min-version, tlsMinVersion)",
        options="-tls1_1 -cipher ALL:@SECLEVEL=0",
        code=Code.OLD_TLS_ACCEPTED,
    )


def test_weak_ciphers_are_refused(facts: Facts, tls_port: tuple[str, str]) -> None:
    """The port refuses ciphers without forward secrecy or authenticated encryption."""
    port = tls_port_of(facts, tls_port)
    require_refused(
        tls_port,
        port.address,
        port.weak,
        what="weak ciphers of TLS 1.2",
        expected="a refusal: only ECDHE with AES-GCM or ChaCha20-Poly1305",
        likely="the ciphers are not restricted: tls-cipher-suites, tlsCipherSuites, etcd's "
        "cipher-suites",
        options="-tls1_2 -cipher ECDHE-RSA-AES128-SHA:AES128-SHA",
        code=Code.WEAK_CIPHERS_ACCEPTED,
    )


# ---- certificates ----


def test_served_certificate_is_trusted(facts: Facts, tls_port: tuple[str, str]) -> None:
    """The certificate of the port is signed by the right authority and valid for its address."""
    port, certificate = tls_port_of(facts, tls_port), certificate_of(facts, tls_port)
    require(
        not certificate.distrust,
        at=f"{tls_port[0]}: certificate at {port.address} ({tls_port[1]})",
        expected=f"signed by the {authority_name(tls_port)}, for {port.address.rpartition(':')[0]}",
        seen=f"{certificate.distrust}; {certificate.subject}, by {certificate.issuer}",
        likely="a certificate of an earlier authority, or one that the component signed itself",
        look=f"on {tls_port[0]}: openssl s_client -showcerts -connect {port.address}",
        code=Code.CERTIFICATE_UNTRUSTED,
    )


@detects("certificate-expiring")
def test_served_certificate_does_not_expire_soon(facts: Facts, tls_port: tuple[str, str]) -> None:
    """No served certificate expires soon: kubelets renew theirs, others have a month left."""
    certificate = certificate_of(facts, tls_port)
    require_lifetime(facts, certificate, tls_port[1] == "kubelet", f"{tls_port[0]}: {tls_port[1]}")


def test_kubelet_client_certificate_is_valid(facts: Facts, node: str) -> None:
    """The kubelet's client certificate is the node's, trusted, and renewed in time."""
    certificates = value_or_skip(facts.view(node).certificates)
    if cis_rules.KUBELET_CLIENT not in certificates:
        pytest.skip(f"{node}: the kubelet has no certificate at {cis_rules.KUBELET_CLIENT}")
    certificate = certificates[cis_rules.KUBELET_CLIENT]
    at = f"{node}: {cis_rules.KUBELET_CLIENT}"
    require(
        not certificate.distrust and f"system:node:{node}" in certificate.subject,
        at=at,
        expected=f"CN=system:node:{node}, signed by the cluster's authority",
        seen=f"{certificate.subject}; {certificate.distrust or 'trusted'}",
        likely="a certificate of an earlier authority, or of another node",
        look=f"on {node}: openssl x509 -noout -text -in {cis_rules.KUBELET_CLIENT}",
        code=Code.CERTIFICATE_UNTRUSTED,
    )
    require_lifetime(facts, certificate, True, at)


def test_etcd_has_its_own_authority(facts: Facts, control_node: str) -> None:
    """Etcd and the API have different authorities, as etcd trusts every client of its own."""
    issuers = {
        label: certificate_of(facts, (control_node, label)).issuer
        for label in ("api", "etcd", "peer")
    }
    require(
        issuers["api"] not in (issuers["etcd"], issuers["peer"]),
        at=f"{control_node}: issuer of etcd's certificates",
        expected="a separate authority for etcd",
        seen=f"{issuers['etcd']}, as for the API",
        likely="one authority for everything, so that every client of the cluster can use etcd",
        look=f"on {control_node}: openssl x509 -noout -issuer -in /etc/etcd/pki/server.crt",
        code=Code.ETCD_AUTHORITY_SHARED,
    )


# ---- helpers ----


def port_of(facts: Facts, tls_port: tuple[str, str]) -> TlsPort:
    """Return the facts about a port; skip if nothing is expected to listen there."""
    node, label = tls_port
    ports = value_or_skip(facts.view(node).ports)
    if label not in ports:
        pytest.skip(f"{node}: the port {label} was not probed")
    elsewhere = label in ("etcd", "peer") and facts.view(node).etcd is None
    if elsewhere or (label == "api" and facts.view(node).audit is None):
        pytest.skip(f"{node}: no {'etcd' if elsewhere else 'kube-apiserver'} runs there")
    return ports[label]


def tls_port_of(facts: Facts, tls_port: tuple[str, str]) -> TlsPort:
    """Return the facts about a port that accepts TLS.

    Raises:
        InconclusiveError: it does not.
    """
    port = port_of(facts, tls_port)
    if not port.today.agreed:
        where = f"{tls_port[0]}: {tls_port[1]}"
        raise InconclusiveError(f"{where} does not accept TLS: {port.today.refused}")
    return port


def require_refused(
    tls_port: tuple[str, str],
    address: str,
    handshake: Handshake,
    *,
    what: str,
    expected: str,
    likely: str,
    options: str,
    code: Code,
) -> None:
    """Require that the port refused a handshake; ``options`` of openssl repeat it."""
    node, name = tls_port
    require(
        not handshake.agreed,
        at=f"{node}: {what} at {address} ({name})",
        expected=expected,
        seen=f"agreed: {handshake.agreed}",
        likely=likely,
        look=f"on {node}: openssl s_client {options} -connect {address}",
        code=code,
    )


def certificate_of(facts: Facts, tls_port: tuple[str, str]) -> Certificate:
    """Return the certificate that the port serves.

    Raises:
        InconclusiveError: it could not be read.
    """
    certificate = tls_port_of(facts, tls_port).certificate
    if certificate is None:
        raise InconclusiveError(f"{tls_port[0]}: {tls_port[1]}: its certificate cannot be read")
    return certificate


def authority_name(tls_port: tuple[str, str]) -> str:
    """Return the name of the authority that must sign the certificate of the port."""
    return "authority of etcd" if tls_port[1] in ("etcd", "peer") else "authority of the cluster"


def require_lifetime(facts: Facts, certificate: Certificate, renewed: bool, at: str) -> None:
    """Require that the certificate is valid long enough, by the clock of the API."""
    now = datetime.fromisoformat(facts.taken)
    start, end = map(datetime.fromisoformat, (certificate.not_before, certificate.not_after))
    left, life = (end - now).total_seconds() / 86400, (end - start).total_seconds() / 86400
    least = cis_rules.LEAST_SHARE * life if renewed else cis_rules.LEAST_DAYS
    require(
        left >= least,
        at=f"{at}: {certificate.subject}",
        expected=f"at least {least:.1f} days left, of {life:.0f}",
        seen=f"{left:.1f} days, until {certificate.not_after}",
        likely="its request for renewal was not approved (kubectl get csr)"
        if renewed
        else "the certificate was not renewed",
        look="kubectl get csr; journalctl -u kubelet | grep -i certificate"
        if renewed
        else "heatgen rotate certificates STACK",
        code=Code.CERTIFICATE_EXPIRING,
    )
