"""Everything that the engine needs from the outside, kept on a Redis or Valkey server."""

from coordinator.redis_store.connection import Server
from coordinator.redis_store.definition_store import RedisDefinitionStore
from coordinator.redis_store.desk import RedisDesk
from coordinator.redis_store.event_source import RedisEventSource
from coordinator.redis_store.keys import EXECUTORS, WORKERS, Keys
from coordinator.redis_store.registry import RedisRegistry
from coordinator.redis_store.request_queue import RedisRequestQueue
from coordinator.redis_store.run_store import RedisRunStore
from coordinator.redis_store.timers import RedisTimers

__all__ = [
    "EXECUTORS",
    "WORKERS",
    "Keys",
    "RedisDefinitionStore",
    "RedisDesk",
    "RedisEventSource",
    "RedisRegistry",
    "RedisRequestQueue",
    "RedisRunStore",
    "RedisTimers",
    "Server",
]
