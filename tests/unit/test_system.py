from obelisk_runtime.core.ids import Instant, parse_execution_id
from obelisk_runtime.system import SystemIds


def test_ids_are_well_formed_new_and_begin_with_their_time() -> None:
    ids = SystemIds()
    now = Instant(1_700_000_000_000_000)
    first, second = ids.execution_id(now), ids.execution_id(Instant(now + 1_000))
    assert parse_execution_id(first) == first
    assert first[:12] < second[:12]
    assert len(ids.random_bytes(16)) == 16
    assert 0 <= ids.fraction() < 1
