"""How many engines there are, and what each may take: the one place for it. Needs no Ray."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of the replicas, each an engine of its own.

    Attributes:
        least, most: how many there are; Ray adds and ends some as requests come and go.
        wanted: requests of a replica at which another is added.
        requests: the most that a replica is given; what is beyond waits at whoever asks.
        cpus, gpus: that a replica takes up, as Ray counts them; a GPU may be parted.
        models: whose requests a replica gets, until it is given another model in place of one.
        seconds: how long to wait for another replica where one has died.
    """

    least: int = 1
    most: int = 8
    wanted: float = 12
    requests: int = 32
    cpus: float = 1
    gpus: float = 0
    models: int = 3
    seconds: float = 120


LIMITS = Limits()
