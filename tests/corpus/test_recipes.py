from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.corpus import recipes
from tests.corpus.recipes import IMAGES, RECIPES


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("slim/Dockerfile", {"slim", "bad", "good"}),
        ("slim13/Dockerfile", {"slim13"}),
        ("bad/requirements.txt", {"bad"}),
        ("full/Dockerfile", {"full"}),
        ("alpine/Dockerfile", {"alpine"}),
    ],
)
def test_an_image_is_stale_when_it_or_its_base_changes(
    changed: str, stale: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "images"
    shutil.copytree(recipes.FOLDER, folder)
    monkeypatch.setattr(recipes, "FOLDER", folder)
    before = {name: RECIPES[name].key for name in IMAGES}

    with (folder / changed).open("a") as file:
        file.write("# a word more\n")

    assert {name for name in IMAGES if RECIPES[name].key != before[name]} == stale


def test_every_image_has_a_dockerfile_and_no_folder_is_left_over() -> None:
    assert {path.parent.name for path in recipes.FOLDER.glob("*/Dockerfile")} == set(IMAGES)
