"""Looking into a network's call, or changing it, for some rows of it and in one thread only.

A model is shared by the engine's thread and by whoever asks a question of their own beside it. A
hook belongs to the module, and so would meet all their calls; these act in the thread that set them
alone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from torch import nn

Inputs = tuple[Any, ...]
Before = Callable[[Inputs], Inputs | None]  # the module's inputs -> others in their place, or None
After = Callable[[Inputs, Any], Any]  # inputs, output -> another output in its place, or None


@contextmanager
def before(modules: Iterable[tuple[nn.Module, Before]]) -> Iterator[None]:
    """Calls each function with the inputs of its module, whenever this thread calls that."""
    thread = get_ident()

    def hook_for(act: Before) -> Callable[[nn.Module, Inputs], Inputs | None]:
        return lambda module, inputs: act(inputs) if get_ident() == thread else None

    handles = [module.register_forward_pre_hook(hook_for(act)) for module, act in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def after(modules: Iterable[tuple[nn.Module, After]]) -> Iterator[None]:
    """Calls each function with the inputs and the output of its module, whenever this thread calls
    that.
    """
    thread = get_ident()

    def hook_for(act: After) -> Callable[[nn.Module, Inputs, Any], Any]:
        return lambda module, inputs, output: act(inputs, output) if get_ident() == thread else None

    handles = [module.register_forward_hook(hook_for(act)) for module, act in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
