"""Whose turn it is: worked by hand."""

from ldm.engine.tickets import Ticket, share, waiting
from tests.engine.visitors import make


def ticket(visitor: str, num_images: int) -> Ticket:
    return Ticket(make(num_images=num_images), None, None, visitor, print)


def test_places_go_round_and_the_first_to_come_goes_first() -> None:
    """Ann's five pictures and Bob's two, then Cy: A B C, A B, A A A."""
    ann, ann_again, bob, cy = (ticket(*t) for t in (("a", 3), ("a", 2), ("b", 2), ("c", 1)))
    tickets = [ann, ann_again, bob, cy]
    wanted = {
        1: {ann: 1},
        3: {ann: 1, bob: 1, cy: 1},
        5: {ann: 2, bob: 2, cy: 1},
        6: {ann: 3, bob: 2, cy: 1},
        7: {ann: 3, bob: 2, cy: 1, ann_again: 1},
        100: {ann: 3, bob: 2, cy: 1, ann_again: 2},
    }
    for most, places in wanted.items():
        assert share(tickets, most) == places


def test_the_line_is_in_the_order_of_turns() -> None:
    """Ann's second request stands behind Cy's first, though it came before."""
    ann, ann_again, bob, cy = (ticket(*t) for t in (("a", 3), ("a", 2), ("b", 2), ("c", 1)))
    tickets = [ann, ann_again, bob, cy]
    assert waiting(tickets) == [ann, bob, cy, ann_again]
    ann.begun = 1.0
    assert waiting(tickets) == [bob, cy, ann_again]
