"""The least work that a large body asks for, without a server: simdjson parse, `session.run`, orjson dump.

Prints the seconds of each repetition as JSON. Usage: python -m benchmarks.servers.inprocess MODEL BODY COUNT
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
import simdjson

COLUMNS = 2


def main(model: str, body_file: str, count: int) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    parser = simdjson.Parser()
    body = Path(body_file).read_bytes()
    seconds = []
    for _ in range(count + 1):
        start = time.perf_counter()
        numbers = parser.parse(body)["instances"].as_buffer(of_type="d")
        features = np.frombuffer(numbers, dtype=np.float64).astype(np.float32).reshape(-1, COLUMNS)
        probabilities = session.run(["probabilities"], {"features": features})[0]
        orjson.dumps({"probabilities": probabilities}, option=orjson.OPT_SERIALIZE_NUMPY)
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds[1:]))  # the first one warms up


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
