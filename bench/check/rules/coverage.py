"""Whether one HTTP match takes every request that another one would take."""

from __future__ import annotations

from collections.abc import Mapping

from bench.istio.models import HTTPMatchRequest, StringMatch


def covers_match(first: HTTPMatchRequest, second: HTTPMatchRequest) -> bool:
    """Tell whether *first* matches each request that *second* matches.

    ``False`` also when that is unknown, as for two different patterns.
    """
    if first.port and first.port != second.port:
        return False
    if first.gateways and not (second.gateways and set(second.gateways) <= set(first.gateways)):
        return False
    if first.source_namespace and first.source_namespace != second.source_namespace:
        return False
    return (
        first.source_labels.items() <= second.source_labels.items()
        and _covers_uri(first, second)
        and all(
            _covers_text(getattr(first, name), getattr(second, name))
            for name in ("scheme", "method", "authority")
        )
        and _covers_texts(first.headers, second.headers)
        and _covers_texts(first.query_params, second.query_params)
        # The absence of a header is only covered by the same absence.
        and first.without_headers.items() <= second.without_headers.items()
    )


Token = tuple[str, ...]
_ANY: Token = ("any",)


class EarlierMatches:
    """Matches in their order, found again by what a later match must have in common with them.

    Each is filed under one token of its path and one of its headers, so that thousands of matches are not
    compared each with each.
    """

    def __init__(self) -> None:
        self._by_tokens: dict[tuple[Token, Token], list[tuple[int, int, HTTPMatchRequest]]] = {}
        self._count = 0

    def add(self, rule: int, match: HTTPMatchRequest) -> None:
        """File *match*, which stands in the rule with that number."""
        key = _path_token(match), _header_token(match)
        self._by_tokens.setdefault(key, []).append((self._count, rule, match))
        self._count += 1

    def covering(self, match: HTTPMatchRequest) -> list[int]:
        """Give the rules of the matches, in their order, that take every request that *match* takes."""
        found = [
            each
            for path in _path_tokens(match)
            for header in _header_tokens(match)
            for each in self._by_tokens.get((path, header), ())
            if covers_match(each[2], match)
        ]
        return [rule for _, rule, _ in sorted(found, key=lambda each: each[0])]


def _path_token(match: HTTPMatchRequest) -> Token:
    if match.uri is None or match.uri.prefix == "/":
        return _ANY
    return _text_token("path", match.uri)


def _path_tokens(match: HTTPMatchRequest) -> list[Token]:
    return [_ANY] if match.uri is None else [_ANY, *_text_tokens("path", match.uri)]


def _header_token(match: HTTPMatchRequest) -> Token:
    for name in sorted(match.headers):
        return _text_token(f"header {name.lower()}", match.headers[name])
    return _ANY


def _header_tokens(match: HTTPMatchRequest) -> list[Token]:
    tokens = [
        token
        for name, text in match.headers.items()
        for token in _text_tokens(f"header {name.lower()}", text)
    ]
    return [_ANY, *dict.fromkeys(tokens)]


def _text_token(what: str, text: StringMatch) -> Token:
    if text.exact is not None:
        return what, "exact", text.exact.lower()
    if text.prefix is not None:
        return what, "prefix", text.prefix.lower()
    return (what, "regex", text.regex) if text.regex is not None else (what, "present")


def _text_tokens(what: str, text: StringMatch) -> list[Token]:
    """Give every token under which a text may be filed that takes all that *text* takes."""
    tokens: list[Token] = [(what, "present")]
    if text.regex is not None:
        return [*tokens, (what, "regex", text.regex)]
    written = (text.exact if text.exact is not None else text.prefix or "").lower()
    tokens += [(what, "prefix", written[:length]) for length in range(len(written) + 1)]
    return [*tokens, (what, "exact", written)] if text.exact is not None else tokens


def _covers_uri(first: HTTPMatchRequest, second: HTTPMatchRequest) -> bool:
    if first.uri is None:
        return True
    if second.uri is None:
        return False
    if first.ignore_uri_case:
        return _covers_text(_lower(first.uri), _lower(second.uri))
    # A match that ignores case takes more spellings than one that does not.
    if second.ignore_uri_case and (second.uri.exact or second.uri.prefix or "/") != "/":
        return first.uri.prefix == "/"
    return _covers_text(first.uri, second.uri)


def _lower(text: StringMatch) -> StringMatch:
    if text.regex is not None:
        return text
    if text.exact is not None:
        return StringMatch(exact=text.exact.lower())
    return StringMatch(prefix=(text.prefix or "").lower())


def _covers_texts(first: Mapping[str, StringMatch], second: Mapping[str, StringMatch]) -> bool:
    theirs = {name.lower(): text for name, text in second.items()}
    return all(
        name.lower() in theirs and _covers_text(text, theirs[name.lower()]) for name, text in first.items()
    )


def _covers_text(first: StringMatch | None, second: StringMatch | None) -> bool:
    if first is None:
        return True
    if second is None:
        return False
    if first.exact is not None:
        return second.exact == first.exact
    if first.prefix is not None:
        return (second.exact or second.prefix or "").startswith(first.prefix) and second.regex is None
    if first.regex is not None:
        return second.regex == first.regex
    return True
