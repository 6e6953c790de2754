"""What stores promise about the status of sources."""

from __future__ import annotations

from tests.contracts.worlds import World


async def test_the_last_status_of_each_bundle_is_kept(world: World) -> None:
    store, other = world.definitions(), world.definitions()
    await store.put_status("main", {"error": "first"})
    await store.put_status("main", {"error": "", "faults": [{"line": 1}], "at_ms": 5})
    await store.put_status("team", {"error": "gone"})

    assert await other.get_status("main") == {"error": "", "faults": [{"line": 1}], "at_ms": 5}
    assert await other.get_status("team") == {"error": "gone"}
    assert await other.get_status("nobody") is None
