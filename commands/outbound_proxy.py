"""The proxy through which upstreams are reached, from `http_client` and from the environment.

Rules, as curl has them: a lower-case variable goes before its upper-case twin, a scheme's own variable before
ALL_PROXY, and a URL without a scheme means http://. NO_PROXY holds for `proxy_url` as well. `proxy_url` goes before
the environment. No message shows a proxy's URL: it may hold a password. Called by commands/config_file.py.
"""

from collections.abc import Mapping

from commands.config_schema import HttpClientSection
from commands.config_values import check_proxy_url
from commands.config_yaml import Finding
from commands.own_ports import OwnPort, host_and_port
from recorder.settings import OutboundProxy


def read_outbound_proxy(
    section: HttpClientSection, environ: Mapping[str, str], recorder: OwnPort
) -> tuple[OutboundProxy, list[Finding]]:
    no_proxy = _variable(environ, "NO_PROXY")[1]
    if section.proxy_url:
        problem = _loop(section.proxy_url, recorder)
        findings: list[Finding] = [(("http_client", "proxy_url"), problem)] if problem else []
        return OutboundProxy(section.proxy_url, section.proxy_url, no_proxy), findings
    if not section.proxy_from_environment:
        return OutboundProxy(), []
    found: dict[str, str] = {}
    problems: list[str] = []
    for kind in ("HTTP", "HTTPS"):
        name, url = _proxy_variable(environ, kind)
        problem = _problem(url, recorder) if url else ""
        if problem:
            problems.append(f"{name}: {problem}")
        elif url:
            found[kind] = url
    proxy = OutboundProxy(found.get("HTTP"), found.get("HTTPS"), no_proxy) if found else OutboundProxy()
    return proxy, [(("http_client", "proxy_from_environment"), problem) for problem in dict.fromkeys(problems)]


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    for spelling in (name.lower(), name):
        if environ.get(spelling):
            return spelling, environ[spelling]
    return name, ""


def _proxy_variable(environ: Mapping[str, str], kind: str) -> tuple[str, str]:
    name, url = _variable(environ, f"{kind}_PROXY")
    if not url:
        name, url = _variable(environ, "ALL_PROXY")
    return name, url if "://" in url or not url else f"http://{url}"


def _problem(url: str, recorder: OwnPort) -> str:
    try:
        check_proxy_url(url)
    except ValueError as error:
        return str(error)
    return _loop(url, recorder)


def _loop(url: str, recorder: OwnPort) -> str:
    points_back = recorder.port and recorder.is_at(*host_and_port(url))
    return "the proxy is the recorder itself (server.host, server.port)" if points_back else ""
