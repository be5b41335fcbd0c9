# SPDX-License-Identifier: Apache-2.0
"""The lock of commands that change nodes."""

import time
from datetime import timedelta

import pytest

from heatgen.kube import operation
from heatgen.kube.client import Api
from heatgen.kube.errors import KubernetesFailed, Refused
from heatgen.yamlio.codes import Code

PATH = f"{operation.COLLECTION}/{operation.NAME}"


def test_second_command(server: Api) -> None:
    """A second command is refused with the name of the first one; afterwards the lock is free."""
    with operation.exclusive(server, "heatgen scale"):
        with pytest.raises(KubernetesFailed) as failure, operation.exclusive(server, "other"):
            raise AssertionError("it must not begin")
        assert failure.value.code == Code.OPERATION_IN_PROGRESS
        assert "heatgen scale by " in str(failure.value)
    with pytest.raises(Refused):
        server.get(PATH)
    with operation.exclusive(server, "third"):
        assert server.get(PATH)["spec"]["holderIdentity"].startswith("third by ")


def test_killed_command(server: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a killed command expires, and the next one takes it over."""
    lease = operation._lease(server, "killed")
    then = server.now() - timedelta(seconds=operation.SECONDS + 5)
    lease["spec"]["renewTime"] = then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    server.request("POST", operation.COLLECTION, lease)
    with operation.exclusive(server, "next"):
        assert server.get(PATH)["spec"]["holderIdentity"].startswith("next by ")


def test_renewal(server: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long operation renews its lock."""
    monkeypatch.setattr(operation, "RENEW", 0.1)
    with operation.exclusive(server, "long"):
        first = server.get(PATH)["spec"]["renewTime"]
        limit = time.monotonic() + 30
        while server.get(PATH)["spec"]["renewTime"] == first and time.monotonic() < limit:
            time.sleep(0.05)
        assert server.get(PATH)["spec"]["renewTime"] != first


def test_lock_that_was_taken_over(server: Api) -> None:
    """A command does not delete the lock that another one has taken over."""
    with operation.exclusive(server, "slow"):
        server.patch(PATH, {"spec": {"holderIdentity": "other"}})
    assert server.get(PATH)["spec"]["holderIdentity"] == "other"
    server.request("DELETE", PATH)


def test_changes_need_etcd(server: Api) -> None:
    """The holder of the lock can test whether etcd accepts changes."""
    with operation.exclusive(server, "heatgen replace"):
        before = server.get(PATH)["metadata"]["resourceVersion"]
        operation.write(server)
        assert server.get(PATH)["metadata"]["resourceVersion"] != before
