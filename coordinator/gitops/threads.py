"""Blocking work beside the event loop, that nobody waits for when the process ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from coordinator.gitx import Stopper

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises. Cancelled, the git that it runs is killed.

    asyncio's own threads are joined at the end of the program, so that a file system that hangs
    would keep a stopped daemon alive; these are not.
    """
    stopper = Stopper()
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)  # type: ignore[arg-type]  # None only where T allows it

    def body() -> None:
        value, error = None, None
        try:
            with stopper.applied():
                value = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=body, name="gitops", daemon=True).start()
    try:
        return await done
    except asyncio.CancelledError:
        stopper.stop()
        raise
