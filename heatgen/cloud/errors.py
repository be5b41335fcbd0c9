# SPDX-License-Identifier: Apache-2.0
"""Causes and remedies of failed requests, from the exceptions of the client libraries.

The libraries wrap an error several times, so that the message of the outermost exception has either
all messages of the inner ones or none of them. Each exception of the chain is classified, from the
outermost one: by its HTTP status, else by its message.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from heatgen.yamlio.codes import Code


class CloudFailed(Exception):
    """A request to the cloud failed, or its result is not usable."""

    def __init__(self, message: str, hint: str, *, code: Code) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class NotFound(CloudFailed):
    """The requested resource does not exist."""


@dataclass(frozen=True)
class _Cause:
    """A cause of a failed connection."""

    pattern: re.Pattern[str]
    """In the message of an exception; its group is shown if the message has {0}."""
    code: Code
    message: str
    hint: str


def _cause(pattern: str, code: Code, message: str, hint: str) -> _Cause:
    return _Cause(re.compile(pattern, re.DOTALL), code, message, hint)


_CLOSED = r"(RemoteDisconnected|Connection reset|Connection aborted|BadStatusLine|IncompleteRead)"
_TLS = "cannot connect to {url} with TLS: {0}"
_CAUSES = (
    _cause(
        r"ProxyError\((.*)", Code.PROXY_FAILED,
        "cannot connect to {url}: the proxy failed: {0}",
        "check http_proxy, https_proxy and no_proxy in the environment",
    ),
    _cause(
        r"suitable TLS CA certificate bundle, invalid path: (.*)", Code.INVALID_TLS_FILE,
        "the file of certificate authorities does not exist: {0}",
        "check cacert in clouds.yaml, --os-cacert, OS_CACERT and REQUESTS_CA_BUNDLE",
    ),
    _cause(
        r"find the TLS (?:certificate|key) file, invalid path: (.*)", Code.INVALID_TLS_FILE,
        "the file of the client certificate or its key does not exist: {0}",
        "check cert and key in clouds.yaml, OS_CERT and OS_KEY",
    ),
    _cause(
        r"\[X509[^\]]*\] ([a-z ]+)", Code.INVALID_TLS_FILE,
        "the file of certificate authorities is not usable: {0}",
        "it must contain certificates in PEM format: check cacert in clouds.yaml, --os-cacert and "
        "OS_CACERT",
    ),
    _cause(
        r"certificate verify failed: ((?:IP address|Hostname) mismatch.*?)\.? \(_ssl",
        Code.TLS_FAILED, _TLS,
        "the certificate is of another name: check the host in auth_url, or whether another server "
        "responds",
    ),
    _cause(
        r"certificate verify failed: (certificate (?:has expired|is not yet valid))",
        Code.TLS_FAILED, _TLS,
        "check the clock of this machine; otherwise the operator of the cloud must renew it",
    ),
    _cause(
        r"certificate verify failed: (.*?)\.? \(_ssl", Code.TLS_FAILED, _TLS,
        "pass the certificate of the cloud's authority with --os-cacert FILE or as cacert in "
        "clouds.yaml",
    ),
    _cause(
        r"(wrong version number|record layer failure|http request)", Code.TLS_FAILED, _TLS,
        "the port does not use TLS: check http:// and https:// in auth_url and in the endpoints",
    ),
    _cause(
        r"SSL(?:Error|Exception| exception).*?\[[^\]]*\] ([^('\"]+)", Code.TLS_FAILED, _TLS,
        "check auth_url, cacert, cert and key in clouds.yaml",
    ),
    _cause(
        r"(NameResolutionError|Failed to resolve|gaierror|Name or service not known)",
        Code.HOST_NOT_RESOLVED, "cannot resolve the host name of {url}",
        "check auth_url, the DNS of this machine, and whether the cloud requires a VPN",
    ),
    _cause(
        r"([Cc]onnection refused)", Code.CONNECTION_REFUSED,
        "cannot connect to {url}: connection refused",
        "check host and port in auth_url, and whether the service is running",
    ),
    _cause(
        r"([Tt]imed out|ConnectTimeout|ReadTimeout)", Code.TIMED_OUT,
        "{url} did not respond in time",
        "check the network, VPN and firewall between this machine and the cloud; else try again",
    ),
    _cause(
        r"(No route to host|Network is unreachable)", Code.CLOUD_UNREACHABLE,
        "cannot connect to {url}: {0}", "check the network and VPN of this machine",
    ),
    _cause(
        _CLOSED, Code.CLOUD_UNREACHABLE,
        "{url} closed the connection without a response",
        "check http:// and https:// in auth_url; else try again",
    ),
    _cause(
        r"(Bad version data|Invalid response from server|Expecting value)",
        Code.UNEXPECTED_RESPONSE, "the response of {url} is not that of an OpenStack service",
        "check auth_url (such as https://HOST:5000/v3), and whether a proxy or a login page "
        "responds instead",
    ),
    _cause(
        r"(?:connection to|connecting to|exception for) \S+: *(.*)", Code.CLOUD_UNREACHABLE,
        "cannot connect to {url}: {0}", "check auth_url and the network of this machine",
    ),
)  # fmt: skip

_QUOTA = re.compile(r"quota|maximum stacks|limit ?exceeded|exceed\w* .*limit", re.IGNORECASE)
_RESTRICTED = re.compile(r"application.credential|\btrusts?\b|create_trust", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s'\"),]+?(?=[\s'\"),]|[:.]? |[:.]?$)")
_MAX_REASON = 300
_NOT_FOUND_HINT = "run 'openstack stack list' to list the stacks"
_RETRY_HINT = "try again; if it persists, report it to the operator of the cloud"
_CREDENTIALS_HINT = (
    "pass an entry of clouds.yaml with --os-cloud or OS_CLOUD, or set OS_AUTH_URL and related "
    "variables"
)
UNRESTRICTED_HINT = (
    "Heat cannot create a trust with a restricted application credential: create one with "
    "'openstack application credential create --unrestricted NAME', or use a password"
)


def explain(error: Exception, service: str = "") -> CloudFailed | None:
    """Return cause and remedy of an exception of a client library, or None if it is not known.

    Args:
        error: the exception.
        service: URL of the service that was requested, for exceptions without it.
    """
    url = next((found for link in _chain(error) if (found := _url_of(link))), service)
    for link in _chain(error):
        status = _status(link)
        if status is not None:
            return _by_status(link, status, url)
        failure = _configuration(link) or _connection(link, url)
        if failure is not None:
            return failure
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an exception."""
    # The attribute has another name in openstacksdk, keystoneauth and heatclient.
    for name in ("status_code", "http_status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return None


def _text(error: BaseException) -> str:
    """Return the message of an exception; heatclient fails on unusual responses."""
    try:
        return str(error)
    except (AttributeError, TypeError):
        return ""


def _url_of(error: BaseException) -> str:
    """Return the URL of a failed request without its path, or ''."""
    text = str(getattr(error, "url", None) or "")
    found = _URL.search(text if text.startswith("http") else _text(error))
    return "/".join(found[0].split("/")[:3]) if found else ""


def _configuration(error: BaseException) -> CloudFailed | None:
    """Explain unusable credentials, and a catalog without the service."""
    from keystoneauth1 import exceptions
    from openstack.exceptions import ConfigException

    from heatgen.yamlio.problems import did_you_mean

    if isinstance(error, exceptions.MissingRequiredOptions):
        names = ", ".join(str(option.dest) for option in error.options)
        message = f"the credentials of the cloud lack {names}"
        return CloudFailed(message, _CREDENTIALS_HINT, code=Code.NO_CREDENTIALS)
    if isinstance(error, exceptions.NoMatchingPlugin):
        name = str(error.name)
        # The function of keystoneauth imports all plug-ins, and logs those that fail.
        plugins = entry_points(group="keystoneauth1.plugin").names
        near = "" if name in plugins else did_you_mean(name, plugins)
        hint = (
            "install the package that provides it in heatgen's environment, such as "
            "keystoneauth1[kerberos], keystoneauth1[saml2] or keystoneauth1[oauth1]"
        )
        if near.startswith("did you"):
            hint = f"{near} Otherwise {hint}"
        message = f"the authentication plug-in {name!r} is not installed"
        return CloudFailed(message, hint, code=Code.AUTH_PLUGIN_MISSING)
    if isinstance(error, exceptions.CatalogException):
        hint = (
            "run 'openstack catalog list' to list services and regions; check --os-region-name "
            "and --os-interface"
        )
        return CloudFailed(_first_line(str(error)), hint, code=Code.SERVICE_NOT_FOUND)
    if isinstance(error, ConfigException | exceptions.OptionError):
        message = _first_line(str(error))
        return CloudFailed(message, _CREDENTIALS_HINT, code=Code.NO_CREDENTIALS)
    return None


def _connection(error: BaseException, url: str) -> CloudFailed | None:
    """Explain a request without a response."""
    text = _text(error)
    for cause in _CAUSES:
        found = cause.pattern.search(text)
        if found:
            message = cause.message.format(_readable(found[1]), url=url or "the cloud")
            return CloudFailed(message, cause.hint, code=cause.code)
    return None


def _readable(text: str) -> str:
    """Return the innermost message of nested exceptions, without their punctuation."""
    for pattern in (r"\[Errno -?\d+\] ([^'\")\]]+)", r"OSError\(['\"]([^'\"]+)"):
        found = re.search(pattern, text)
        if found:
            return found[1].strip()
    return _first_line(text)


def _by_status(error: BaseException, status: int, url: str) -> CloudFailed:
    """Explain a response with a status of failure."""
    from keystoneauth1.exceptions import HttpError

    reason, is_page = _reason(error)
    at = url or "the cloud"
    # Of keystoneauth only authentication raises exceptions for a status.
    authentication = isinstance(error, HttpError)
    if status == 404 and (is_page or authentication):
        hint = "check auth_url (such as https://HOST:5000/v3), and the endpoints of the cloud"
        message = f"{at} responds with HTTP 404, which is not a response of OpenStack"
        return CloudFailed(message, hint, code=Code.UNEXPECTED_RESPONSE)
    if status == 404:
        return NotFound(reason, _NOT_FOUND_HINT, code=Code.NOT_FOUND)
    if status in (408, 504):
        return CloudFailed(f"{at} timed out: HTTP {status}", _RETRY_HINT, code=Code.TIMED_OUT)
    if status >= 500:
        message = f"{at} failed: HTTP {status}: {reason}"
        return CloudFailed(message, _RETRY_HINT, code=Code.CLOUD_ERROR)
    code, hint = _refusal(status, reason)
    return CloudFailed(reason, hint, code=code)


def _refusal(status: int, reason: str) -> tuple[Code, str]:
    """Return code and hint of a request that the cloud refuses."""
    if status == 401:
        return Code.AUTHENTICATION_FAILED, (
            "check user, password, project and domains in clouds.yaml or OS_* variables; an "
            "application credential or token may have expired"
        )
    if status == 407:
        return Code.PROXY_FAILED, "check user and password in http_proxy and https_proxy"
    if status in (400, 403, 409, 413) and _QUOTA.search(reason):
        return Code.QUOTA_EXCEEDED, (
            "run 'heatgen plan --preflight' to compare quotas; delete unused resources, or request "
            "more from the operator of the cloud"
        )
    if status == 403 and _RESTRICTED.search(reason):
        return Code.RESTRICTED_CREDENTIALS, UNRESTRICTED_HINT
    if status == 403:
        return Code.FORBIDDEN, (
            "the user needs a role that may use Heat in this project (usually 'member', or "
            "'heat_stack_owner'); an application credential must be created with --unrestricted"
        )
    if status == 429:
        return Code.CLOUD_REFUSED, "the cloud limits the rate of requests: try again later"
    return Code.CLOUD_REFUSED, "correct what the message names; the cloud did not change anything"


def _reason(error: BaseException) -> tuple[str, bool]:
    """Return the message of an HTTP error, and whether the response was a web page."""
    # heatclient keeps the body of the response, which may be a page of a proxy.
    body: Any = getattr(error, "message", None) or _text(error)
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if isinstance(content, dict):
        inner = content.get("error", content)
        text = str(inner.get("message") or "") if isinstance(inner, dict) else str(inner)
    is_page = text.lstrip()[:1] == "<"
    if is_page:
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = title[1] if title else re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text)
    text = " ".join(text.split()) if is_page else text.strip()
    return _first_line(text.removeprefix("ERROR: ")) or type(error).__name__, is_page


def _first_line(text: str) -> str:
    """Return the first line of a message, shortened."""
    line = (text.strip().splitlines() or [""])[0]
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 3] + "..."
