"""The engine: arrival schedule, connections, HTTP/1.1 exchange and recorder, on an event loop handed in.

Others need of it how requests are numbered.
"""

from bench.load.engine.arrivals import SEQUENCES, kinds_of
from bench.load.engine.request import REQUEST_ID

__all__ = ["REQUEST_ID", "SEQUENCES", "kinds_of"]
