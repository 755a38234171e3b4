import subprocess
import sys

import uvicorn
from uvicorn.supervisors import multiprocess

from softmaxd.server import Worker, WorkerServer
from tests.support.uvicorn_names import names_of_base

ON_WINDOWS = """
import sys
sys.modules["resource"] = sys.modules["uvloop"] = None  # importing them fails, as it does there
import softmaxd.server
from softmaxd.cli.main import main
sys.platform = "win32"
sys.exit(main(["serve"]))
"""


def test_on_windows_serve_ends_in_one_line() -> None:
    ended = subprocess.run([sys.executable, "-c", ON_WINDOWS], capture_output=True, text=True, check=False)

    line = "softmaxd: softmaxd serve runs on Linux and macOS; on Windows use Docker or WSL\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", line)


def test_uvicorn_has_the_names_that_a_worker_uses() -> None:
    config = uvicorn.Config("")
    process = multiprocess.Process(config, [])

    assert names_of_base(uvicorn.Server(config), WorkerServer) == {"handle_exit", "on_tick"}
    assert names_of_base(process, Worker) == {
        *("always_pong", "start", "target", "pong", "config", "child_conn", "_server")
    }
    process.parent_conn.close()
    process.child_conn.close()
