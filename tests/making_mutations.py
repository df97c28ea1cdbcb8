"""Files altered anywhere, or in what their JSON says: all of it is drawn from a seed."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

HOSTILE: list[Any] = [
    None, True, False, -1, 0, 1, 10**6, 2**31, 2**53, 10**400, -(10**400), 1e308, -0.5, float("nan"),
    float("inf"), "", " ", "x", "<img src=x onerror=alert(1)>", "../../etc/passwd", "a\nb", "\x1b[31m",
    "\ud800", "a" * 50_000, [], {}, [[]], [None], {"": 1}, {"a" * 30_000: 1}, [0] * 5_000, "1", [1.5],
    "F64", [2**62, 2**62],
]  # fmt: skip


def altered_bytes(rng: random.Random, content: bytes) -> bytes:
    """A file's content with bytes changed, cut, doubled or put in, more often in its head."""
    head = min(len(content), 4000) if rng.random() < 0.7 else len(content)
    at, size = rng.randrange(head), rng.choice((1, 1, 2, 8, 64, 1000))
    some = bytes(rng.randrange(256) for _ in range(min(size, 8)))
    match rng.randrange(6):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + size :]
        case 2:
            return content[:at] + some + content[at:]
        case 3:
            return content[:at] + content[at : at + size] + content[at:]
        case 4:
            return content[:at] + bytes(size) + content[at + size :]
    return content[:at] + some + content[at + len(some) :]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys."""
    found, rest = [], [value]
    while rest:
        inner = rest.pop()
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        found += [(inner, key) for key in keys]
        rest += [inner[key] for key in keys if isinstance(inner[key], dict | list)]
    return found


def altered_json(rng: random.Random, value: Any) -> Any:
    """A JSON value with a part lost, renamed or exchanged for a hostile one."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2))):
        container, key = rng.choice(places(value) or [(value, None)])
        kind = rng.randrange(8)
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[str(rng.choice(HOSTILE))[:100]] = container.pop(key)
        elif kind == 2 and isinstance(container[key], int | float):
            container[key] = container[key] * rng.choice((-1, 0.5, 1e6, 10**6))
        else:
            container[key] = rng.choice(HOSTILE)
        if not value:
            break
    return value


def text_of(rng: random.Random, value: Any) -> bytes:
    """The JSON of an altered value; one in thirty a list in a list in a list, 100,000 deep."""
    if rng.randrange(30) == 0:
        return b'{"model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return json.dumps(value).encode(errors="replace")
