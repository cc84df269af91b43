"""The engine: draws many visitors' requests together, gives events, stops within one step."""

from ldm.engine.engine import Engine
from ldm.engine.tickets import EngineBusy, EngineClosed, OutOfMemory, TimeLimit

__all__ = ["Engine", "EngineBusy", "EngineClosed", "OutOfMemory", "TimeLimit"]
