"""The engine as a library: load a file, run it, wait for its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.engine.engine import RunTimeoutError
from coordinator.ports import Request
from coordinator.wiring import DefinitionError
from tests.contracts.worlds import World
from tests.engine.rig import Rig

FLOW = """
name: greet
version: 1.0.0
params: {who: {type: string, default: you}}
steps:
  - {id: say, type: persona-request, persona: speaker, params: {text: "hello {{ params.who }}"}}
outputs: {said: "{{ steps.say.result }}"}
"""


def repeat(request: Request) -> dict[str, object]:
    return {"result": request.payload["params"]}


async def test_a_loaded_file_runs_at_its_own_digest_though_nothing_is_active(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "greet.yml"
    file.write_text(FLOW)
    async with Rig(world) as rig:
        rig.serve("speaker", answer=repeat)
        workflow = await rig.engine.load(str(file))

        ended = await rig.engine.execute(
            workflow, {"title": "x"}, params={"who": "ann"}, timeout=20
        )

        assert ended.succeeded
        assert ended.outputs == {"said": {"text": "hello ann"}}
        assert ended.state.head.digest == workflow.digest


async def test_a_file_with_faults_is_refused_with_all_of_them(world: World, tmp_path: Path) -> None:
    file = tmp_path / "broken.yml"
    file.write_text(FLOW.replace("persona: speaker", "persoona: speaker").replace("say.r", "sya.r"))

    with pytest.raises(DefinitionError) as refused:
        await Rig(world).engine.load(str(file))

    assert len(refused.value.faults) == 2
    assert 'Did you mean "persona"?' in str(refused.value)


async def test_a_file_that_is_not_there_is_said_in_words(world: World) -> None:
    with pytest.raises(DefinitionError, match=r"nowhere\.yml: no such file"):
        await Rig(world).engine.load("nowhere.yml")


async def test_waiting_ends_after_its_time_and_the_run_goes_on(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "greet.yml"
    file.write_text(FLOW)
    async with Rig(world) as rig:
        run = await rig.engine.start(await rig.engine.load(str(file)))
        with pytest.raises(RunTimeoutError):
            await rig.engine.wait(run, timeout=0.3)

        await rig.engine.signal(run, "cancel", by="ann", reason="not now")

        ended = await rig.engine.wait(run, timeout=20)
        assert ended.status == "cancelled"
        assert ended.error == {"class": "cancelled", "message": "cancelled by ann: not now"}
