"""Where the work is done: threads, processes of this machine, or a cluster of dask's."""

from pyimginspect.fleet.engines.engine import Done, Engine, WorkerDiedError
from pyimginspect.fleet.engines.local import Processes
from pyimginspect.fleet.engines.threads import Threads

__all__ = ["Done", "Engine", "Processes", "Threads", "WorkerDiedError"]
