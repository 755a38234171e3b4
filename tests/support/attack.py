"""Many large bodies at the same time, and small requests beside them."""

import threading
from collections import Counter
from collections.abc import Sequence

import httpx

SMALL = b'{"instances": [[15.2, 0.3]]}'
ROW = b"[15.23456789,0.30000001]"


def large_bodies(size: int) -> list[bytes]:
    """Return bodies of this size: good rows, wrong rows, and what is no row."""
    rows = b",".join([ROW] * (size // (len(ROW) + 1)))
    digits = b",".join([b"1"] * (size // 2))
    records = b",".join([b'{"x1":1,"x2":2}'] * (size // 16))
    return [
        b'{"instances":[%s]}' % rows,
        b'{"instances":[%s,[1]]}' % rows[: -len(ROW) - 1],
        b'{"instances":[[%s]]}' % digits,
        b'{"logits":[%s],"include":["log_probabilities","sigmoid","entropy"]}' % digits,
        b'{"instances":[%s,{"x1":1}]}' % records,
        b'{"instances":[%s]}' % b",".join([b"[]"] * (size // 3)),
        b'{"a":%s}' % (b"[" * (size // 2)),
        b"{%s}" % b",".join([b'"k":1'] * (size // 6)),
        b'{"instances":[[1,2]],"include":[%s]}' % b",".join([b'"a"'] * (size // 4 - 10)),
        b'{"instances":"%s"}' % (b"a" * (size - 20)),
        b'{"instances":[%s]}' % b",".join([b"{%s}" % b",".join([b'"x1":1'] * 100)] * (size // 800)),
        b'{"instances":[%s]}' % b",".join([b'{"features":[1]}'] * (size // 17)),
    ]


def attack(url: str, bodies: Sequence[bytes], *, parallel: int, rounds: int) -> tuple[Counter[int], Counter[int]]:
    """Post the bodies on many connections at once; return the statuses of the large and of the small requests."""
    large: Counter[int] = Counter()
    small: Counter[int] = Counter()
    done = threading.Event()

    def post_large(first: int) -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            for index in range(rounds):
                body = bodies[(first + index) % len(bodies)]
                path = "/softmax" if body.startswith(b'{"logits"') else "/predict"
                large[client.post(path, content=body).status_code] += 1

    def post_small() -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            while not done.is_set():
                small[client.post("/predict", content=SMALL).status_code] += 1

    threads = [threading.Thread(target=post_large, args=[index]) for index in range(parallel)]
    beside = threading.Thread(target=post_small)
    for thread in (*threads, beside):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    beside.join()
    return large, small
