"""When others take processors that a trial would have needed."""

import pytest

from bench.analysis.machine import is_disturbed
from bench.result import MachineUse


@pytest.mark.parametrize(
    ("others", "idle", "steal", "disturbed"),
    [
        (0.50, 0.05, 0.0, True),
        (0.50, 0.40, 0.0, False),
        (0.05, 0.00, 0.0, False),
        (0.00, 0.90, 0.1, True),
        (None, None, None, False),
    ],
    ids=["a busy neighbour", "room beside it", "ours alone", "the host takes", "nothing is known"],
)
def test_a_machine_is_disturbed_where_others_leave_no_room(others, idle, steal, disturbed):
    use = MachineUse(ours_share=None, others_share=others, idle_share=idle, steal_share=steal)

    assert is_disturbed(use) is disturbed
