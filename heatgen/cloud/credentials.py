# SPDX-License-Identifier: Apache-2.0
"""Edge: checks clouds.yaml and the credentials before the first request.

openstacksdk reports most mistakes as a cloud that does not exist, or with exceptions of Python.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from heatgen.cloud.errors import CloudFailed
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import position_of
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean

_EXAMPLE = "see 'clouds.yaml' in the documentation of openstacksdk"
_PASSWORD_TYPES = ("password", "v3password", "v2password")


def check_files(paths: Iterable[str]) -> None:
    """Check the first clouds.yaml that exists, which is the one that openstacksdk reads.

    Raises:
        ProblemsFound: it is not readable, not YAML, or an entry has the wrong type.
    """
    path = next((Path(name) for name in paths if os.access(name, os.F_OK)), None)
    if path is None:
        return
    try:
        text = path.read_text("utf-8")
        top = yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        problem = Problem(
            str(path), None, (error.strerror or str(error)).lower(), "check owner and mode",
            code=Code.FILE_NOT_READABLE,
        )  # fmt: skip
        raise ProblemsFound([problem]) from None
    except UnicodeDecodeError:
        problem = Problem(
            str(path), None, "is not encoded in UTF-8", "save the file as UTF-8",
            code=Code.INVALID_ENCODING,
        )  # fmt: skip
        raise ProblemsFound([problem]) from None
    except yaml.YAMLError as error:
        position = position_of(getattr(error, "problem_mark", None))
        reason = getattr(error, "problem", None) or "is not valid YAML"
        problem = Problem(str(path), position, reason, _EXAMPLE, code=Code.YAML_SYNTAX)
        raise ProblemsFound([problem]) from None
    problems = list(_problems(str(path), top))
    if problems:
        # Source lines are not quoted: they may contain passwords.
        raise ProblemsFound(problems)


def _problems(file: str, top: yaml.Node | None) -> Iterable[Problem]:
    """Yield problems of the structure: clouds, entries, and their key auth are mappings."""
    for name, clouds in _items(top):
        if name != "clouds":
            continue
        if not isinstance(clouds, yaml.MappingNode):
            yield _not_mapping(file, "clouds", clouds)
        for cloud, entry in _items(clouds):
            if not isinstance(entry, yaml.MappingNode):
                yield _not_mapping(file, f"clouds.{cloud}", entry)
            for key, value in _items(entry):
                if key == "auth" and not isinstance(value, yaml.MappingNode):
                    yield _not_mapping(file, f"clouds.{cloud}.auth", value)


def _items(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(str(key.value), value) for key, value in node.value]


def _not_mapping(file: str, name: str, node: yaml.Node) -> Problem:
    position = position_of(node.start_mark)
    if node.tag == "tag:yaml.org,2002:null":
        return Problem(file, position, f"{name} is empty", _EXAMPLE, code=Code.EMPTY_VALUE)
    return Problem(file, position, f"{name} is not a mapping", _EXAMPLE, code=Code.WRONG_TYPE)


def check_name(name: str | None, known: Iterable[str], searched: Iterable[str]) -> None:
    """Check that the entry of a cloud exists.

    Raises:
        CloudFailed: it does not.
    """
    known, searched = sorted(known), list(searched)
    if name is None or name in known:
        return
    files = [path for path in searched if os.access(path, os.F_OK)]
    if files:
        hint = did_you_mean(name, known) or _EXAMPLE
        message = f"{files[0]} does not contain the cloud {name!r}"
        raise CloudFailed(message, hint, code=Code.NO_CREDENTIALS)
    paths = " or ".join([path for path in searched if path.endswith(".yaml")][:2])
    hint = f"create {paths}, or unset OS_CLOUD to use OS_* variables"
    message = f"the cloud {name!r} is not known, because there is no clouds.yaml"
    raise CloudFailed(message, hint, code=Code.NO_CREDENTIALS)


def check_values(config: Mapping[str, Any]) -> None:
    """Check the credentials of a cloud.

    Raises:
        CloudFailed: a value is missing or not usable.
    """
    auth = config.get("auth") or {}
    url = str(auth.get("auth_url") or "")
    if url and not url.startswith(("http://", "https://")):
        message = f"auth_url {url!r} is not an http or https URL"
        hint = "write https://HOST:5000/v3"
        raise CloudFailed(message, hint, code=Code.NO_CREDENTIALS)
    if config.get("auth_type") in _PASSWORD_TYPES:
        user = "user_id" if auth.get("user_id") else "username"
        missing = [key for key in (user, "password") if not auth.get(key)]
        if url and missing:
            message = f"the credentials of the cloud lack {' and '.join(missing)}"
            names = ", ".join(f"OS_{key.upper()}" for key in missing)
            hint = f"set it in clouds.yaml or secure.yaml, or as {names} in the environment"
            raise CloudFailed(message, hint, code=Code.NO_CREDENTIALS)
    if config.get("insecure") or config.get("verify") is False:
        return
    path = config.get("cacert")
    if path and not os.access(Path(path).expanduser(), os.R_OK):
        message = f"the file of certificate authorities cannot be read: {path}"
        hint = "check cacert in clouds.yaml, --os-cacert and OS_CACERT"
        raise CloudFailed(message, hint, code=Code.INVALID_TLS_FILE)
