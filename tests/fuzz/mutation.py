"""Broken inputs from whole ones: bytes that change, and documents whose parts change places."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import yaml

WORDS = (
    *("", "~", "null", "[]", "{}", "-", "- -", "? ", ": ", "|", ">", "%", "@", "`", "---", "...", "\t", " "),
    *(
        "-1",
        "0",
        "1e400",
        "-1e400",
        ".nan",
        ".inf",
        "0x7fffffffffffffff",
        "99999999999999999999",
        "1_0",
        "07",
    ),
    *("true", "Yes", "2026-02-30", "12:30:45", "1s", "-1s", "99999999h", "1.5.5s", "<<", "=", "!!binary x"),
    *("&a [*a]", "*nobody", "!!python/object:os.system x", "!!set {a}", "!<tag:x> y", "!!float nothing"),
    *(
        "é",
        "ß" * 50,
        "\u202e",
        "\ufeff",
        "\u2028",
        "\x7f",
        "\x85",
        "日本",
        "😀",
        "%NOPE%",
        "%REQ(",
        "{}",
        "\\1",
    ),
    *("*", "*.*", "*.", ".", "..", "a..b", "-a", "a" * 300, "a." * 200, "::1", "[::1]:80", "1.2.3.4/33"),
    *("http://", "spiffe://a b", "unix:///x", "/" * 50, "[a-z", "(?P<n>", "(" * 200, "a{1000}{1000}", "\\Q"),
)
DEEP = (
    ("[" * 3000) + ("]" * 3000),
    "{a: " * 2000,
    "\n".join(f"{' ' * n}a{n}:" for n in range(600)),
    "- " * 2000,
    "a: &a [x]\n"
    + "\n".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 9)}]" for n in range(12)),
    "k" * 100_000,
    "\n".join(f"key{n}: {n}" for n in range(5000)),
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**31, 2**63, 2**70, 0.5, float("inf"), "", " ", "a", "*", "%", "x" * 5000),
    *([], {}, [[]], [None], {"": ""}, {"a": None}, ["a"] * 100, {1: 2}, {None: 1}, {True: "x"}, "1s", "-5s"),
)


class Mutator:
    """Deals out broken variants of *seeds*, the same ones for the same *seed*."""

    def __init__(self, seeds: Sequence[str], seed: int) -> None:
        """Read the seeds as documents once."""
        self.random = Random(seed)
        self.seeds = seeds
        self._documents = [self._read(each) for each in seeds]

    def next(self) -> bytes:
        """Give one broken input."""
        at = self.random.randrange(len(self.seeds))
        if self._documents[at] is not None and self.random.random() < 0.5:
            return self._rearranged(copy.deepcopy(self._documents[at]), at).encode("utf-8", "surrogatepass")
        return self._damaged(self.seeds[at].encode())

    def _read(self, text: str) -> Any:
        try:
            return list(yaml.safe_load_all(text))
        except (yaml.YAMLError, ValueError):
            return None

    def _rearranged(self, documents: Any, at: int) -> str:
        for _ in range(self.random.randint(1, 4)):
            holder, key = self._somewhere(documents)
            self._change(holder, key)
        if self.seeds[at].startswith(("{", "[")):
            return "\n".join(json.dumps(each, default=str, skipkeys=True) for each in documents)
        return yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False)

    def _somewhere(self, root: Any) -> tuple[Any, Any]:
        places: list[tuple[Any, Any]] = []
        waiting = [root]
        while waiting:
            node = waiting.pop()
            inner = node.items() if isinstance(node, dict) else enumerate(node)
            for key, value in list(inner):
                places.append((node, key))
                if isinstance(value, dict | list) and value:
                    waiting.append(value)
        return self.random.choice(places) if places else ([None], 0)

    def _change(self, holder: Any, key: Any) -> None:
        kind = self.random.randrange(7)
        if kind == 0:
            holder[key] = copy.deepcopy(self.random.choice(VALUES))
        elif kind == 1:
            holder[key] = self.random.choice(WORDS)
        elif kind == 2 and isinstance(holder, dict):
            holder[self.random.choice(WORDS)] = holder.pop(key)
        elif kind == 3:
            del holder[key]
        elif kind == 4:
            holder[key] = [copy.deepcopy(holder[key])] * self.random.randint(1, 3)
        elif kind == 5:
            holder[key] = {self.random.choice(("a", "exact", "host", "")): holder[key]}
        else:
            other, there = self._somewhere(self.random.choice([each for each in self._documents if each]))
            holder[key] = copy.deepcopy(other[there])

    def _damaged(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        changes: list[Callable[[], None]] = [
            lambda: lines.insert(self._at(lines), self._word().encode("utf-8", "surrogatepass")),
            lambda: lines.insert(self._at(lines), self.random.choice(lines)) if lines else None,
            lambda: lines.pop(self._at(lines)) and None if len(lines) > 1 else None,
            lambda: self._edit(lines, lambda line: line + self._word().encode("utf-8", "surrogatepass")),
            lambda: self._edit(lines, lambda line: b" " * self.random.randrange(9) + line.lstrip()),
            lambda: self._edit(lines, lambda line: line[: self.random.randrange(len(line) + 1)]),
            lambda: self._edit(lines, self._other_bytes),
            lambda: self._edit(lines, self._other_value),
        ]
        for _ in range(self.random.randint(1, 4)):
            self.random.choice(changes)()
        return b"\n".join(lines)

    def _word(self) -> str:
        return self.random.choice(DEEP) if self.random.random() < 0.02 else self.random.choice(WORDS)

    def _at(self, lines: list[bytes]) -> int:
        return self.random.randrange(len(lines))

    def _edit(self, lines: list[bytes], change: Callable[[bytes], bytes]) -> None:
        at = self._at(lines)
        lines[at] = change(lines[at])

    def _other_bytes(self, line: bytes) -> bytes:
        at = self.random.randrange(len(line) + 1)
        return line[:at] + self.random.randbytes(self.random.randint(1, 3)) + line[at + 1 :]

    def _other_value(self, line: bytes) -> bytes:
        name, colon, _ = line.partition(b":")
        return name + colon + b" " + self._word().encode("utf-8", "surrogatepass")
