# SPDX-License-Identifier: Apache-2.0
"""Parser of the probe's output about hardening; the lines were printed by real programs."""

import json

from conformance.collect import parse_node
from conformance.facts.model import NodeView
from conformance.facts.security import (
    ApiAnswer,
    AtRest,
    AuditLog,
    FileMode,
    Handshake,
    KubeletPortAnswers,
    Listener,
    Program,
    RuntimeView,
)
from conformance.outcome import Unavailable
from tests.conformance.collect.sections import framed, view

PORT = """\
api address 192.0.2.10:6443
api today agreed TLSv1.3 TLS_AES_128_GCM_SHA256
kubelet address 192.0.2.10:10250
api old refused 806B1A:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:x:1
kubelet today refused 80DB:error:8000006F:system library:BIO_connect:Connection refused:y:1:z
api weak agreed TLSv1.2 ECDHE-RSA-AES128-SHA
kubelet old refused no handshake
kubelet weak refused no handshake
api trust 19 (self-signed certificate in certificate chain)
api subject CN=kube-apiserver
api issuer CN=kubernetes
api notBefore Nov 23 20:42:37 2026 GMT
api notAfter Dec  3 20:42:37 2026 GMT
kubelet trust no handshake"""


def etcd(*printed: str) -> NodeView:
    """Return the parsed view of a node with an etcd member."""
    return view(framed("etcd_process", "7"), *printed)


def test_programs_have_users_and_flags() -> None:
    """Values may contain spaces; if a flag is printed twice, the first value is used."""
    text = (
        "program etcd etcd\nflag etcd client-cert-auth true\nflag etcd client-cert-auth false\n"
        "program kube-apiserver 996\nflag kube-apiserver etcd-servers https://a:1,https://b:1 c"
    )
    assert view(framed("programs", text)).programs == {
        "etcd": Program("etcd", {"client-cert-auth": "true"}),
        "kube-apiserver": Program("996", {"etcd-servers": "https://a:1,https://b:1 c"}),
    }


def test_listeners_are_parsed_from_proc_net_tcp() -> None:
    """IPv4, IPv6 and mapped IPv4 in the kernel's byte order; duplicates are removed."""
    text = (
        "0100007F:2811\n0100007F:2811\n0A0200C0:094B\n00000000000000000000000001000000:2812\n"
        "0000000000000000FFFF00000A0200C0:2813\n00000000000000000000000000000000:192B"
    )
    assert view(framed("listeners", text)).listeners == [
        Listener("192.0.2.10", 2379),
        Listener("::", 6443),
        Listener("127.0.0.1", 10257),
        Listener("::1", 10258),
        Listener("192.0.2.10", 10259),
    ]


def test_paths_may_contain_spaces() -> None:
    """The path is the rest of the line."""
    files = view(framed("files", "600 etcd f /etc/etcd/pki/a b.key\n755 root d /etc/etcd")).files
    assert files == [
        FileMode("/etc/etcd", "755", "root", "d"),
        FileMode("/etc/etcd/pki/a b.key", "600", "etcd", "f"),
    ]


def test_lines_of_ports_may_be_interleaved() -> None:
    """A handshake has a protocol and cipher or a reason; a port may have no certificate."""
    ports = view(framed("tls", PORT)).ports
    assert not isinstance(ports, Unavailable)
    assert ports["api"].old == Handshake("", "tlsv1 alert protocol version")
    assert ports["api"].weak == Handshake("TLSv1.2 ECDHE-RSA-AES128-SHA", "")
    certificate = ports["api"].certificate
    assert certificate is not None
    assert certificate.not_after == "2026-12-03T20:42:37+00:00"
    assert certificate.distrust == "19 (self-signed certificate in certificate chain)"
    assert ports["kubelet"].today == Handshake("", "Connection refused")
    assert ports["kubelet"].certificate is None


def test_answers_of_api_servers() -> None:
    """They are keyed by URL: status with token, without, and the error."""
    text = (
        "https://192.0.2.11:6443 anonymous 000 5010 curl: (28) timed out\n"
        "https://192.0.2.10:6443 token 200 30 \nhttps://192.0.2.10:6443 anonymous 401 20 \n"
        "https://192.0.2.11:6443 token 000 5020 curl: (28) Connection timed out"
    )
    assert view(framed("api", text)).api == {
        "https://192.0.2.10:6443": ApiAnswer(200, 401, 30, ""),
        "https://192.0.2.11:6443": ApiAnswer(0, 0, 5020, "curl: (28) Connection timed out"),
    }


def test_endpoint_must_be_a_url() -> None:
    """An empty section is unavailable."""
    assert (
        view(framed("endpoint", "https://192.0.2.9:6443/\n")).endpoint == "https://192.0.2.9:6443"
    )
    assert isinstance(view(framed("endpoint", "")).endpoint, Unavailable)


def test_ports_of_the_kubelet() -> None:
    """A closed port has the status 0."""
    text = "anonymous 401 9 \nread_only 000 3 curl: (7) Failed to connect to 192.0.2.10 port 10255"
    assert view(framed("kubelet_doors", text)).kubelet_doors == KubeletPortAnswers(401, 0)


def test_audit_log_has_sizes() -> None:
    """Without an API server the fact is null; without a log the path is empty."""
    assert view().audit is None
    audit = view(framed("audit", "path /var/log/a.log\nbefore 10\nafter 20")).audit
    assert audit == AuditLog("/var/log/a.log", 10, 20)
    assert view(framed("audit", "path ")).audit == AuditLog("", -1, -1)


def test_rights_and_encryption_in_etcd() -> None:
    """The result of a right may be an error message; a Secret has its size and prefix only."""
    member = etcd(
        framed("etcd_rights", "health /registry/ denied\nflanneld /x/ failed: no such file"),
        framed("etcd_at_rest", "size 310\nprefix k8s:enc:secretbox:v1:key1\nplain no"),
    ).etcd
    assert member is not None
    assert not isinstance(member, Unavailable)
    assert member.rights == {"health /registry/": "denied", "flanneld /x/": "failed: no such file"}
    assert member.at_rest == AtRest(310, "k8s:enc:secretbox:v1:key1", False)
    plain = etcd(framed("etcd_at_rest", "size 290\nprefix \nplain yes")).etcd
    assert plain is not None
    assert not isinstance(plain, Unavailable)
    assert plain.at_rest == AtRest(290, "", True)


def test_encryption_is_unavailable_without_a_client_certificate() -> None:
    """The flags of a managed control plane may contain none."""
    member = etcd(framed("etcd_at_rest", "", 127, "no etcd client key")).etcd
    assert member is not None
    assert not isinstance(member, Unavailable)
    assert isinstance(member.at_rest, Unavailable)
    assert member.at_rest.permanent


def test_runtime_without_docker() -> None:
    """Trailing slashes of mirrors are removed, because they are compared as text."""
    text = "cgroup /kubepods.slice/x.scope\nmirror http://m.example:5000/\nmirror http://m.example:5000"
    assert view(framed("runtime", text)).runtime == RuntimeView(
        "/kubepods.slice/x.scope", {}, ["http://m.example:5000"]
    )


def test_runtime_with_docker() -> None:
    """Docker's mirrors and log options are read, and nothing else of its output."""
    info = {"RegistryConfig": {"Mirrors": ["http://d.example/"]}, "HttpProxy": "http://u:p@proxy"}
    container = {
        "Config": {"Env": ["PASSWORD=x"]},
        "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}}},
    }
    runtime = view(
        framed("runtime", "cgroup /kubepods.slice/x.scope\nmirror http://m.example"),
        framed("docker", json.dumps(info)),
        framed("docker_container", json.dumps(container)),
    ).runtime
    logs = {"driver": "json-file", "max-size": "10m"}
    mirrors = ["http://d.example", "http://m.example"]
    assert runtime == RuntimeView("/kubepods.slice/x.scope", logs, mirrors)


def test_runtime_is_unavailable_if_docker_does_not_respond() -> None:
    """Settings common to all runtimes are incomplete without Docker's."""
    runtime = view(
        framed("runtime", "cgroup /kubepods.slice/x.scope"),
        framed("docker", "", 22, "curl: (22) 500"),
    ).runtime
    assert isinstance(runtime, Unavailable)
    assert not runtime.permanent


def test_units_have_a_unit_file_state() -> None:
    """UnitFileState is read if systemctl prints it."""
    text = (
        "Id=keepalived.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\n"
        "UnitFileState=disabled"
    )
    assert parse_node.parse_units(text)["keepalived"].file == "disabled"
