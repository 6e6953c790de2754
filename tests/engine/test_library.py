"""The engine as a library: load a file, run it, wait for its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.engine.engine import RunTimeoutError
from coordinator.nearby import FolderNames
from coordinator.ports import Request
from coordinator.wiring import DefinitionError, load_definition_file
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


SPEAKER = "{name: speaker, kind: command, command: [echo]}"


def written(folder: Path, files: dict[str, str]) -> None:
    """Put files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def asked(path: Path, **more: object) -> bytes:
    """The document of the workflow in a file."""
    workflow, documents = load_definition_file(str(path), **more)  # type: ignore[arg-type]  # the names are those of the function
    return documents[workflow.digest]


def test_personas_are_looked_for_up_to_the_git_root_and_no_further(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    written(tmp_path, {"personas/other.yaml": SPEAKER.replace("speaker", "other")})
    written(project, {"personas/speaker.yaml": SPEAKER, "teams/a/workflows/greet.yml": FLOW})

    assert b'"command":["echo"]' in asked(project / "teams/a/workflows/greet.yml")
    written(tmp_path, {"workflows/greet.yml": FLOW.replace("persona: speaker", "persona: other")})
    written(project, {"workflows/greet.yml": FLOW.replace("persona: speaker", "persona: other")})
    assert b'"command":["echo"]' in asked(tmp_path / "workflows/greet.yml")
    with pytest.raises(DefinitionError, match='no persona "other"'):
        load_definition_file(str(project / "workflows/greet.yml"))


def test_outside_git_and_outside_a_folder_of_workflows_it_ends_at_the_files_own_folder(
    tmp_path: Path,
) -> None:
    written(tmp_path, {"personas/other.yaml": SPEAKER, "flows/greet.yml": FLOW})

    assert b'"command"' not in asked(tmp_path / "flows/greet.yml")
    written(tmp_path, {"flows/personas/speaker.yaml": SPEAKER})
    assert b'"command":["echo"]' in asked(tmp_path / "flows/greet.yml")


def test_the_folders_may_have_other_names(tmp_path: Path) -> None:
    written(tmp_path, {"agents/speaker.yaml": SPEAKER, "flows/greet.yml": FLOW})

    assert b'"command":["echo"]' in asked(
        tmp_path / "flows/greet.yml", names=FolderNames("flows", "agents")
    )


def test_a_file_is_loaded_with_the_overlay_of_its_environment(tmp_path: Path) -> None:
    written(
        tmp_path,
        {
            "workflows/greet.yml": FLOW,
            "personas/speaker.yaml": SPEAKER,
            "envs/production.yaml": "personas: {speaker: {command: [say]}}",
        },
    )
    file = tmp_path / "workflows/greet.yml"

    assert b'"command":["say"]' in asked(file, env="production")
    with pytest.raises(DefinitionError, match='no environment "staging"'):
        load_definition_file(str(file), env="staging")
