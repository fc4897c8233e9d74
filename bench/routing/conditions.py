"""One HTTP match, compiled for one proxy: which of its conditions a request must meet there.

Sources: HTTPMatchRequest in Istio's API reference; for what its words mean to a proxy, Envoy's documentation
of route matching (query parameters undecoded, regex against the whole text).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from bench.istio.inventory import Proxy
from bench.istio.models import HTTPMatchRequest, StringMatch
from bench.routing.decision import CannotJudgeError
from bench.routing.patterns import Test, compile_test, is_present_only
from bench.routing.request import JOINED, Message, is_owned_by_envoy

Condition = Callable[[Message], bool]

# "The keys uri, scheme, method, and authority will be ignored" says the API reference; istiod does not.
_AMBIGUOUS_KEYS = frozenset({"uri", "scheme", "method", "authority"})


@dataclass(frozen=True, slots=True)
class Matcher:
    """All conditions of one match."""

    conditions: tuple[Condition, ...]
    is_catch_all: bool
    """Nothing can get past it, so what is behind it in its VirtualService never counts."""

    def matches(self, message: Message) -> bool:
        """Whether all conditions hold.

        Raises:
            CannotJudgeError: the conditions that can be judged hold, and one of the others decides.
        """
        doubt: CannotJudgeError | None = None
        for condition in self.conditions:
            try:
                if not condition(message):
                    return False
            except CannotJudgeError as error:
                doubt = doubt or error
        if doubt is not None:
            raise doubt
        return True


def exists_for(
    match: HTTPMatchRequest, *, proxy: Proxy, port: int, via: Collection[str], named: Callable[[str], str]
) -> bool:
    """Whether the match counts at all for this proxy, port and gateway.

    *via* holds ``mesh`` or the Gateway's ``namespace/name``; *named* makes such a name of what is written.
    With ``gateways`` written, source labels and namespace do not count.
    """
    if match.port and match.port != port:
        return False
    if match.gateways:
        return any(named(gateway) in via for gateway in match.gateways)
    if match.source_namespace and match.source_namespace != proxy.namespace:
        return False
    return match.source_labels.items() <= proxy.labels.items()


def compile_match(match: HTTPMatchRequest, doubt: str = "") -> Matcher:  # noqa: C901
    """Compile what is left for the request itself to meet. Conditions without an answer come last."""
    conditions: list[Condition] = []
    doubts: list[Condition] = [_doubtful(doubt)] if doubt else []

    def add(test: Test | None, make: Callable[[Test], Condition], what: str) -> None:
        if test is None:
            doubts.append(_doubtful(f"the regex of {what} is not RE2, which no proxy takes"))
        else:
            conditions.append(make(test))

    if match.uri is not None and not is_present_only(match.uri):
        add(compile_test(match.uri, ignore_case=match.ignore_uri_case), _path, "uri")
    for field, make in (("method", _method), ("authority", _authority), ("scheme", _scheme)):
        written: StringMatch | None = getattr(match, field)
        if written is not None and not is_present_only(written):
            add(compile_test(written), make, field)
    for is_wanted, group in ((True, match.headers), (False, match.without_headers)):
        for name, written_value in group.items():
            key = name.lower()
            if _is_doubtful_header(key):
                doubts.append(_doubtful(f"a match on header {name}, which proxies treat on their own"))
            elif is_present_only(written_value):
                conditions.append(_header_present(key) if is_wanted else _header_absent(key))
            else:
                compare = _header(key) if is_wanted else _header_not(key)
                add(compile_test(written_value), compare, f"header {name}")
    for name, value in match.query_params.items():
        add(compile_test(value), _parameter(name), f"query parameter {name}")
    has_other = bool(match.headers or match.without_headers or match.query_params) or any(
        getattr(match, field) is not None for field in ("method", "authority", "scheme")
    )
    return Matcher((*conditions, *doubts), not has_other and not doubts and _takes_every_path(match.uri))


ANYTHING = Matcher((), is_catch_all=True)
"""A rule without a match."""


def _takes_every_path(uri: StringMatch | None) -> bool:
    return uri is None or is_present_only(uri) or uri.prefix == "/" or uri.regex in (".*", "*")


def _is_doubtful_header(key: str) -> bool:
    return is_owned_by_envoy(key) or key.startswith("@") or key in _AMBIGUOUS_KEYS


def _doubtful(reason: str) -> Condition:
    def condition(_message: Message) -> bool:
        raise CannotJudgeError(reason)

    return condition


def _path(test: Test) -> Condition:
    return lambda message: test(message.path)


def _method(test: Test) -> Condition:
    return lambda message: test(message.method)


def _authority(test: Test) -> Condition:
    return lambda message: test(message.host)


def _scheme(test: Test) -> Condition:
    return lambda message: test(message.scheme)


def _any_value(message: Message, key: str, test: Test) -> bool:
    """Whether one of the header's values passes."""
    if message.unknown and key in message.unknown:
        raise CannotJudgeError(f"header {key} was written by a format string of the hop before")
    values = message.headers.get(key, ())
    if len(values) == 1:
        return test(values[0])
    alone = any(test(value) for value in values)
    if values and key in JOINED and test(",".join(values)) != alone:
        raise CannotJudgeError(f"several {key} headers are compared joined or one by one")
    return alone


def _header(key: str) -> Callable[[Test], Condition]:
    return lambda test: lambda message: _any_value(message, key, test)


def _header_not(key: str) -> Callable[[Test], Condition]:
    # A missing header counts as an empty one here.
    def make(test: Test) -> Condition:
        return lambda message: (
            not (_any_value(message, key, test) or (key not in message.headers and test("")))
        )

    return make


def _header_present(key: str) -> Condition:
    return lambda message: key in message.headers or key in message.unknown


def _header_absent(key: str) -> Condition:
    return lambda message: key not in message.headers and key not in message.unknown


def _parameter(name: str) -> Callable[[Test], Condition]:
    def make(test: Test) -> Condition:
        def condition(message: Message) -> bool:
            value = message.parameters.get(name)
            return value is not None and test(value)

        return condition

    return make
