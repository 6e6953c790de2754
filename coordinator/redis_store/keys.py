"""Every key the coordinator uses, in one place.

All of them begin with the prefix (`co:` unless configured) and the hash tag `{p}` of the partition,
so that one script may touch them together on a cluster too. None expires by itself.

| key                 | type   | holds                                         | written by |
|---------------------|--------|-----------------------------------------------|------------|
| `tasks`             | stream | the task queue; group `coordinators`          | submit     |
| `inbox`             | stream | timers, signals, runs to runs; `coordinators` | all of them |
| `req:<persona>`     | stream | requests to one persona; group `workers`      | commit     |
| `work`              | stream | the coordinator's own work; group `executors` | commit     |
| `res:<persona>`     | stream | that persona's replies; group `coordinators`  | its workers |
| `res:coordinator`   | stream | executors' replies; group `coordinators`      | executors  |
| `ctl:<persona>`     | stream | what to stop; no group; some 1,000 entries    | commit     |
| `run:<id>`          | hash   | the run, one field per entry (below)          | commit     |
| `run:<id>:journal`  | list   | events and their moves, in order              | commit     |
| `timers`            | zset   | due ms -> JSON `[run, node, attempt, kind]`   | commit, fire |
| `waiting-on-humans` | hash   | `<run>:<node>` -> the question as JSON        | commit     |
| `runs`              | zset   | every run; score 0, for ids sort by time      | commit     |
| `open`              | zset   | the runs that have not ended; score 0         | commit     |
| `personas`          | set    | every persona that was ever asked             | commit     |
| `key:<sha256>`      | zset   | of a concurrency key: who holds it, who waits | commit     |
| `idem:<key>`        | string | the task entry, or the run, that used the key | submit, commit |
| `blob:<sha256>`     | string | a result above 256 KiB, which its run refers to | keep_blob |
| `def:<digest>`      | string | a compiled definition, checked on load        | put        |
| `active`            | hash   | bundle -> which definitions serve new runs    | activate   |
| `sync`              | hash   | bundle -> what the last look at its source found | put_status |
| `members`           | hash   | name -> `<seen ms> <JSON>` of a process       | announce   |
| `dead`              | stream | what could never apply (below)                | refuse     |

Fields of a run: `rev` (the revision), `head`, `record`, `n:<path>` (node), `s:<path>` (scope),
`r:<path>` (result), `v:<name>` (workflow state), each JSON, and `q:<path>` (the entry of the
request in flight, used by the commit script alone).
A concurrency key has members `<run> <attempt> <limit>`: score 0 holds a slot, 1 and above waits.
Every save of a run is told on the channel that is named like its key, without content.
A journal is a list because a stream takes 4 KiB of memory from its first entry.
A dead letter has `reason`, `stream`, `entry`, `at` and each original field as `f:<name>`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

COORDINATORS: Final = "coordinators"
WORKERS: Final = "workers"
EXECUTORS: Final = "executors"


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of all keys of one partition."""

    prefix: str = "co:"
    partition: int = 0

    @property
    def root(self) -> str:
        """What every key begins with."""
        return f"{self.prefix}{{{self.partition}}}:"

    def named(self, name: str) -> str:
        """A key without a variable part: `tasks`, `inbox`, `work`, `timers`, `runs`, `open`, …"""
        return self.root + name

    def requests(self, persona: str) -> str:
        """Requests to one persona."""
        return f"{self.root}req:{persona}"

    def replies(self, persona: str) -> str:
        """Replies of one persona."""
        return f"{self.root}res:{persona}"

    def control(self, persona: str) -> str:
        """What one persona's workers are to stop."""
        return f"{self.root}ctl:{persona}"

    def run(self, run: str) -> str:
        """A run."""
        return f"{self.root}run:{run}"

    def journal(self, run: str) -> str:
        """A run's journal."""
        return f"{self.root}run:{run}:journal"

    def idempotency(self, key: str) -> str:
        """Who used an idempotency key."""
        return f"{self.root}idem:{key}"

    def concurrency(self, key: str) -> str:
        """Who holds a concurrency key, and who waits for it."""
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self.root}key:{name}"

    def blob(self, sha256: str) -> str:
        """A large result."""
        return f"{self.root}blob:{sha256}"

    def definition(self, digest: str) -> str:
        """A compiled definition."""
        return f"{self.root}def:{digest}"
