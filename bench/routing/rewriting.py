"""What a rule changes in a request on its way: headers, authority, path.

Sources: Headers, HTTPRewrite and HTTPRedirect in Istio's API reference; the order of changes is Envoy's: what
is removed goes first, then ``set``, then ``add``; of two levels the route's comes after its destination's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.istio.models import HeaderOperations, HTTPRewrite, StringMatch
from bench.routing.decision import CannotJudgeError
from bench.routing.patterns import compile_regex
from bench.routing.request import Message

_HOST_KEYS = ("host", ":authority")


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """Request header operations of one or more levels, in the order in which they work."""

    removed: tuple[str, ...] = ()
    overwritten: tuple[tuple[str, str], ...] = ()
    added: tuple[tuple[str, str], ...] = ()

    def apply(self, message: Message) -> None:
        """Change *message* in place."""
        for name in self.removed:
            message.headers.pop(name, None)
            message.unknown.discard(name)
        for name, value in self.overwritten:
            self._put(message, name, value, append=False)
        for name, value in self.added:
            self._put(message, name, value, append=True)

    @staticmethod
    def _put(message: Message, name: str, value: str, *, append: bool) -> None:
        if "%" in value.replace("%%", ""):
            message.unknown.add(name)
            message.headers.pop(name, None)
            return
        literal = value.replace("%%", "%")
        if append and name in message.unknown:
            return
        if append:
            message.headers[name] = (*message.headers.get(name, ()), literal)
        else:
            message.headers[name] = (literal,)
            message.unknown.discard(name)


def header_change(levels: Iterable[HeaderOperations | None]) -> HeaderChange | None:
    """The changes of all *levels* as one; None if there are none. ``host`` is not a header: see below."""
    removed: list[str] = []
    overwritten: list[tuple[str, str]] = []
    added: list[tuple[str, str]] = []
    for operations in levels:
        if operations is None:
            continue
        removed += [name.lower() for name in operations.remove]
        overwritten += sorted((key.lower(), value) for key, value in operations.set.items())
        added += sorted((key.lower(), value) for key, value in operations.add.items())
    plain = HeaderChange(
        tuple(name for name in removed if name != "host" and not name.startswith(":")),
        tuple(item for item in overwritten if item[0] != "host" and not item[0].startswith(":")),
        tuple(item for item in added if item[0] != "host" and not item[0].startswith(":")),
    )
    return plain if plain != HeaderChange() else None


def written_host(operations: HeaderOperations | None) -> str:
    """The authority that header operations ask for; ``set`` before ``add``; empty if none."""
    for group in (operations.set, operations.add) if operations is not None else ():
        host = _host_in(group)
        if host:
            return host
    return ""


def _host_in(group: Mapping[str, str]) -> str:
    return next((value for key, value in group.items() if key.lower() in _HOST_KEYS), "")


PathChange = Callable[[str], str]


def path_change(rewrite: HTTPRewrite | None, uri: StringMatch | None) -> PathChange | None:
    """How the path changes: a prefix match replaces the prefix, every other match the whole path."""
    if rewrite is None:
        return None
    if rewrite.uri_regex_rewrite is not None and rewrite.uri_regex_rewrite.match:
        return _by_regex(rewrite.uri_regex_rewrite.match, rewrite.uri_regex_rewrite.rewrite)
    if not rewrite.uri:
        return None
    return replaced_prefix(rewrite.uri, uri)


def replaced_prefix(replacement: str, uri: StringMatch | None) -> PathChange:
    """Replace what *uri* matched: nothing is done about slashes that meet."""
    if uri is None or (uri.exact is None and uri.regex is None):
        length = len(uri.prefix) if uri is not None and uri.prefix is not None else 1
        return lambda path: replacement + path[length:]
    return lambda _path: replacement


def _by_regex(pattern: str, substitution: str) -> PathChange:
    compiled = compile_regex(pattern)
    places = [int(number) for number in re.findall(r"\\([0-9])", substitution)]
    is_clear = not re.search(r"\\[^0-9]|\\$", substitution)
    if compiled is None or not is_clear or max(places, default=0) > compiled.groups:
        reason = f"the rewrite {pattern!r} to {substitution!r} is faulty, and nothing refuses it"

        def doubt(_path: str) -> str:
            raise CannotJudgeError(reason)

        return doubt
    return lambda path: compiled.sub(substitution, path)


_PLAIN = re.compile(r"/[A-Za-z0-9\-_~!$&'()*+,;=:@/]*")
_ALWAYS_KEPT = frozenset(" /%")


def normalized(path: str) -> str:
    """The path as a proxy compares and sends it: needless escapes decoded, dot segments taken out.

    What is decoded was measured with Envoy 1.40 (``normalize_path``).

    Raises:
        CannotJudgeError: the path has escapes or characters whose treatment is the proxy's own affair.
    """
    if _PLAIN.fullmatch(path):
        return path
    plain = re.sub("%([0-9A-Fa-f]{2})", _decoded_or_kept, path)
    if not _PLAIN.fullmatch(re.sub("%[0-9A-Fa-f]{2}|[.]", "", plain)):
        raise CannotJudgeError(f"the path {path!r} is changed by normalisation")
    kept: list[str] = []
    parts = plain.split("/")[1:]
    for part in parts:
        if part.startswith((".;", "..;")):
            raise CannotJudgeError(f"the path {path!r} is changed by normalisation")
        if part == "..":
            if kept:
                kept.pop()
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _decoded_or_kept(escape: re.Match[str]) -> str:
    char = chr(int(escape[1], 16))
    if char.isascii() and (char.isalnum() or char in "-_.~"):
        return char
    if char in _ALWAYS_KEPT or not char.isascii():
        return escape[0]
    raise CannotJudgeError(f"the escape {escape[0]} in a path may be decoded")
