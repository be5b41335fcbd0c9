# SPDX-License-Identifier: Apache-2.0
"""Across the layers: doors are shut to strangers, TLS is today's, certificates hold and live on."""

from datetime import datetime
from ipaddress import ip_address

import pytest

from conformance import cis_rules
from conformance.facts.model import Facts
from conformance.facts.security import Certificate, Handshake, TlsPort
from conformance.faults import detects
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip

pytestmark = pytest.mark.hardening


# ---- doors: who is answered ----


def test_api_refuses_strangers(facts: Facts) -> None:
    """Who shows no credentials gets nothing from the API."""
    seen = value_or_skip(facts.anonymous)
    require(
        seen in (401, 403),
        at="the API's /api/v1/secrets without credentials",
        expected="HTTP 401 or 403",
        seen=f"HTTP {seen}",
        likely="a role is bound to system:anonymous or system:unauthenticated",
        look="kubectl get clusterrolebindings -o wide | grep -e anonymous -e unauthenticated",
    )


def test_api_server_knows_no_anonymous(facts: Facts, host: str, api_server: str) -> None:
    """Each API server, asked without credentials, answers 401 even for its own state."""
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
    )


def test_kubelet_refuses_strangers(facts: Facts, node: str) -> None:
    """The kubelet tells nothing to who shows no credentials."""
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
    )


def test_ports_without_authentication_are_shut(facts: Facts, node: str) -> None:
    """Ports that ask nobody who he is are shut, or for the node itself only."""
    open_ports = {
        f"{each.address}:{each.port}": cis_rules.SHUT_PORTS.get(each.port)
        or cis_rules.LOCAL_PORTS[each.port]
        for each in value_or_skip(facts.view(node).listeners)
        if each.port in cis_rules.SHUT_PORTS
        or (each.port in cis_rules.LOCAL_PORTS and not ip_address(each.address).is_loopback)
    }
    doors = facts.view(node).kubelet_doors
    if not isinstance(doors, Unavailable) and doors.read_only:
        open_ports["10255"] = cis_rules.SHUT_PORTS[10255]
    require(
        not open_ports,
        at=f"{node}: sockets that listen",
        expected=f"none of {', '.join(map(str, cis_rules.SHUT_PORTS))}; "
        f"{', '.join(map(str, cis_rules.LOCAL_PORTS))} on 127.0.0.1 only",
        seen=", ".join(f"{address} ({what})" for address, what in open_ports.items()),
        likely="--bind-address or a listen URL of that component, or the kubelet's readOnlyPort",
        look=f"on {node}: ss -ltnp",
    )


# ---- TLS ----


def test_port_speaks_tls(facts: Facts, tls_port: tuple[str, str]) -> None:
    """The port agrees to what is good today: else a refusal of the rest would say nothing."""
    port = port_of(facts, tls_port)
    require(
        bool(port.today.agreed),
        at=f"{tls_port[0]}: TLS at {port.address} ({tls_port[1]})",
        expected="TLS 1.2 or 1.3",
        seen=port.today.refused,
        likely="the component does not run, or its certificate or key cannot be read",
        look=f"on {tls_port[0]}: openssl s_client -connect {port.address}",
    )


def test_old_tls_is_refused(facts: Facts, tls_port: tuple[str, str]) -> None:
    """TLS 1.1 and older are refused."""
    port = speaking(facts, tls_port)
    require_refused(
        tls_port,
        port.address,
        port.old,
        what="TLS 1.1",
        expected="a refusal",
        likely="the component's least version of TLS is too low (tls-min-version, tlsMinVersion)",
        options="-tls1_1 -cipher ALL:@SECLEVEL=0",
    )


def test_weak_ciphers_are_refused(facts: Facts, tls_port: tuple[str, str]) -> None:
    """Ciphers without forward secrecy or without authenticated encryption are refused."""
    port = speaking(facts, tls_port)
    require_refused(
        tls_port,
        port.address,
        port.weak,
        what="weak ciphers of TLS 1.2",
        expected="a refusal: only ECDHE with AES-GCM or ChaCha20-Poly1305",
        likely="no list of ciphers: tls-cipher-suites, tlsCipherSuites, etcd's cipher-suites",
        options="-tls1_2 -cipher ECDHE-RSA-AES128-SHA:AES128-SHA",
    )


# ---- certificates ----


def test_certificate_is_its_authoritys(facts: Facts, tls_port: tuple[str, str]) -> None:
    """What the port shows is signed by the authority in charge, for this very address."""
    port, certificate = speaking(facts, tls_port), shown(facts, tls_port)
    require(
        not certificate.distrust,
        at=f"{tls_port[0]}: certificate at {port.address} ({tls_port[1]})",
        expected=f"signed by the {authority_name(tls_port)}, for {port.address.rpartition(':')[0]}",
        seen=f"{certificate.distrust}; {certificate.subject}, by {certificate.issuer}",
        likely="a certificate of an earlier authority, or made by the component for itself",
        look=f"on {tls_port[0]}: openssl s_client -showcerts -connect {port.address}",
    )


@detects("certificate-expiring")
def test_certificate_lives_on(facts: Facts, tls_port: tuple[str, str]) -> None:
    """No certificate is about to end: kubelets renew their own, the others have a month left."""
    certificate = shown(facts, tls_port)
    require_life(facts, certificate, tls_port[1] == "kubelet", f"{tls_port[0]}: {tls_port[1]}")


def test_kubelets_own_certificate_lives_on(facts: Facts, node: str) -> None:
    """The certificate by which the kubelet speaks to the API is the cluster's, and renewed."""
    certificates = value_or_skip(facts.view(node).certificates)
    if cis_rules.KUBELET_CLIENT not in certificates:
        pytest.skip(f"{node}: the kubelet renews no certificate at {cis_rules.KUBELET_CLIENT}")
    certificate = certificates[cis_rules.KUBELET_CLIENT]
    at = f"{node}: {cis_rules.KUBELET_CLIENT}"
    require(
        not certificate.distrust and f"system:node:{node}" in certificate.subject,
        at=at,
        expected=f"CN=system:node:{node}, signed by the cluster's authority",
        seen=f"{certificate.subject}; {certificate.distrust or 'trusted'}",
        likely="a certificate of an earlier authority, or of another node",
        look=f"on {node}: openssl x509 -noout -text -in {cis_rules.KUBELET_CLIENT}",
    )
    require_life(facts, certificate, True, at)


def test_etcd_has_its_own_authority(facts: Facts, control_node: str) -> None:
    """Etcd's authority is not the cluster's: whom that signs, etcd lets in."""
    issuers = {
        label: shown(facts, (control_node, label)).issuer for label in ("api", "etcd", "peer")
    }
    require(
        issuers["api"] not in (issuers["etcd"], issuers["peer"]),
        at=f"{control_node}: who signed what etcd shows",
        expected="an authority of etcd's own",
        seen=f"{issuers['etcd']}, as for the API",
        likely="one authority for all: every client of the cluster may speak to etcd",
        look=f"on {control_node}: openssl x509 -noout -issuer -in /etc/etcd/pki/server.crt",
    )


# ---- what several of them need ----


def port_of(facts: Facts, tls_port: tuple[str, str]) -> TlsPort:
    """What was seen of a port; where nothing should listen the test is skipped."""
    node, label = tls_port
    ports = value_or_skip(facts.view(node).ports)
    if label not in ports:
        pytest.skip(f"{node}: {label} was not asked")
    elsewhere = label in ("etcd", "peer") and facts.view(node).etcd is None
    if elsewhere or (label == "api" and facts.view(node).audit is None):
        pytest.skip(f"{node}: no {'etcd' if elsewhere else 'kube-apiserver'} runs there")
    return ports[label]


def speaking(facts: Facts, tls_port: tuple[str, str]) -> TlsPort:
    """The port, if it speaks TLS at all."""
    port = port_of(facts, tls_port)
    if not port.today.agreed:
        where = f"{tls_port[0]}: {tls_port[1]}"
        raise InconclusiveError(f"{where} speaks no TLS: {port.today.refused}")
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
) -> None:
    """The port does not agree to what was offered; `options` of openssl offer it again."""
    node, name = tls_port
    require(
        not handshake.agreed,
        at=f"{node}: {what} at {address} ({name})",
        expected=expected,
        seen=f"agreed: {handshake.agreed}",
        likely=likely,
        look=f"on {node}: openssl s_client {options} -connect {address}",
    )


def shown(facts: Facts, tls_port: tuple[str, str]) -> Certificate:
    """The certificate that the port shows."""
    certificate = speaking(facts, tls_port).certificate
    if certificate is None:
        raise InconclusiveError(f"{tls_port[0]}: {tls_port[1]}: its certificate cannot be read")
    return certificate


def authority_name(tls_port: tuple[str, str]) -> str:
    """Whose authority signs what the port shows."""
    return "etcd's authority" if tls_port[1] in ("etcd", "peer") else "cluster's authority"


def require_life(facts: Facts, certificate: Certificate, renewed: bool, at: str) -> None:
    """Enough of the certificate's life is left, by the API's clock."""
    now = datetime.fromisoformat(facts.taken)
    start, end = map(datetime.fromisoformat, (certificate.not_before, certificate.not_after))
    left, life = (end - now).total_seconds() / 86400, (end - start).total_seconds() / 86400
    least = cis_rules.LEAST_SHARE * life if renewed else cis_rules.LEAST_DAYS
    require(
        left >= least,
        at=f"{at}: {certificate.subject}",
        expected=f"at least {least:.1f} days to live, of {life:.0f}",
        seen=f"{left:.1f} days, until {certificate.not_after}",
        likely="its request for renewal was not approved (kubectl get csr)"
        if renewed
        else "nobody renewed it",
        look="kubectl get csr; journalctl -u kubelet | grep -i certificate"
        if renewed
        else "heatgen rotate certificates STACK",
    )
