"""Which official image is named: on the same Debian release where there is one."""

import pytest

from pyimginspect.inventory.official_images import slim_image


@pytest.mark.parametrize(
    ("version", "distribution", "image"),
    [
        ("3.11.2", "debian 12", "python:3.11-slim-bookworm"),
        ("3.13.1", "debian 13", "python:3.13-slim-trixie"),
        ("3.14.0rc2", "debian 13", "python:3.14-slim-trixie"),
        ("3.9", "debian 11", "python:3.9-slim-bullseye"),
        ("3.13.0", "debian 11", "python:3.13-slim-bullseye"),
        ("3.14.0", "debian 11", "python:3.14-slim"),
        ("3.12.0", "debian 10", "python:3.12-slim"),
        ("3.6.15", "debian 12", "python:3.6-slim"),
        ("3.8.20", "debian 13", "python:3.8-slim"),
        ("3.99.0", "debian 13", "python:3.99-slim"),
        # the first and the last Python of which there was an image, and what lies beyond
        ("3.6.15", "debian 9", "python:3.6-slim-stretch"),
        ("3.7.9", "debian 9", "python:3.7-slim-stretch"),
        ("3.8.0", "debian 9", "python:3.8-slim"),
        ("3.6.15", "debian 10", "python:3.6-slim-buster"),
        ("3.6.15", "debian 11", "python:3.6-slim-bullseye"),
        ("3.7.17", "debian 12", "python:3.7-slim-bookworm"),
        ("3.14.0", "debian 12", "python:3.14-slim-bookworm"),
        ("3.15.0", "debian 12", "python:3.15-slim"),
        ("3.9.24", "debian 13", "python:3.9-slim-trixie"),
        ("3.15.0", "debian 13", "python:3.15-slim"),
        ("2.7.18", "debian 11", "python:2.7-slim"),
        ("2.7.18", "debian 10", "python:2.7-slim"),
        ("3.13.1", "debian", "python:3.13-slim"),  # testing has no VERSION_ID
        ("3.13.1", "debian 12.5", "python:3.13-slim"),
        ("3.13.1", "ubuntu 12", "python:3.13-slim"),
        ("3.13.1", "alpine 3.20.3", "python:3.13-slim"),
        ("3.13.1", "", "python:3.13-slim"),
        ("", "debian 12", "python:3-slim"),
        ("3", "debian 12", "python:3-slim"),
        ("3.1\n", "debian 12", "python:3.1-slim"),
        ("3.1234567", "debian 12", "python:3-slim"),
    ],
)
def test_the_slim_image_for_a_python(version: str, distribution: str, image: str) -> None:
    assert slim_image(version, distribution) == image
