"""Run the command for each client, in a process that is forked from this one."""

import json
import os
import selectors
import signal
import socket
import sys
import traceback
from typing import Any, NoReturn

import pyimginspect.formats.json
import pyimginspect.formats.table
import pyimginspect.plan.planner
import pyimginspect.reporting
import pyimginspect.sources.files  # noqa: F401 - loaded for all that are forked
from pyimginspect.__main__ import run


def serve(path: str) -> None:
    """Fork for each client until standard input ends."""
    selector = selectors.DefaultSelector()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        selector.register(sys.stdin, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        print("ready", flush=True)  # noqa: T201 - for whoever started this
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is listener:
                    client, _ = listener.accept()
                    pid = _begin(client)
                    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, client))
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    _end(*key.data)


def _begin(client: socket.socket) -> int:
    """Return the process that is the command for a client."""
    size, files, _, _ = socket.recv_fds(client, 4, 3)
    data = b""
    while len(data) < int.from_bytes(size, "big"):
        data += client.recv(1 << 16)
    pid = os.fork()
    if not pid:
        _become(json.loads(data), files)
    for number in files:
        os.close(number)
    return pid


def _end(pid: int, client: socket.socket) -> None:
    """Tell a client the status of its process."""
    _, status = os.waitpid(pid, 0)
    with client:
        client.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _become(asked: dict[str, Any], files: list[int]) -> NoReturn:
    try:
        _set_files(dict(zip(asked["numbers"], files, strict=True)))
        os.chdir(asked["directory"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = ["pyimginspect", *asked["arguments"]]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _set_files(files: dict[int, int]) -> None:
    """Have these as standard input, output and error, as the interpreter sets them when it starts;
    those that are not here are closed."""
    streams: list[Any] = [None, None, None]
    for number in range(3):
        if number in files:
            os.dup2(files[number], number)
            streams[number] = open(  # noqa: SIM115 - for as long as the process lives
                number, "w" if number else "r", encoding="utf-8", closefd=False
            )
        else:
            os.close(number)
    os.closerange(3, 256)
    sys.stdin, sys.stdout, sys.stderr = streams


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    serve(sys.argv[1])
