"""Everything that the engine needs from the outside, in the memory of one process."""

from coordinator.memory_store.desk import MemoryDefinitionStore, MemoryDesk, MemoryRegistry
from coordinator.memory_store.memory import Memory
from coordinator.memory_store.queues import MemoryEventSource, MemoryRequestQueue
from coordinator.memory_store.run_store import MemoryRunStore, MemoryTimers

__all__ = [
    "Memory",
    "MemoryDefinitionStore",
    "MemoryDesk",
    "MemoryEventSource",
    "MemoryRegistry",
    "MemoryRequestQueue",
    "MemoryRunStore",
    "MemoryTimers",
]
