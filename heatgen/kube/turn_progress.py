# SPDX-License-Identifier: Apache-2.0
"""Edge: reads the progress of nodes that change in turn from the API of a cluster.

The step ``orchestration/ready`` writes it to the ConfigMap ``heatgen-roll``; Heat knows only that
the step is in progress.
"""

from http import HTTPStatus

from heatgen.kube.client import Api
from heatgen.kube.errors import Refused

PATH = "/api/v1/namespaces/kube-system/configmaps/heatgen-roll"


def read(api: Api) -> str:
    """Return the progress; '' if no nodes have changed in turn.

    Raises:
        KubernetesFailed: the API does not respond.
    """
    try:
        found = api.request("GET", PATH, patience=0)
    except Refused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return ""
        raise
    return str((found.get("data") or {}).get("progress", ""))
