"""What many images of one registry share, and what is asked for an image that is known."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pyimginspect
from pyimginspect.cli import main
from pyimginspect.errors import AuthenticationError, QuotaError
from pyimginspect.layers.cache import Cache
from pyimginspect.sources.connections import Connections
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from tests.images import Index, digest, image, layer
from tests.servers import FakeRegistry, TokenServer

BASE = layer({"etc/os-release": "ID=debian\nVERSION_ID=12\n", "a": "1" * 9000})
SAMPLE = image([BASE, layer({"b": "2" * 9000})])
OTHER = image([BASE, layer({"c": "3" * 9000})])


class Counted(FakeRegistry):
    """Also counts the connections that are made to it."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: set[tuple[str, int]] = set()

    def serve(self, handler: Any) -> None:
        self.clients.add(handler.client_address)
        super().serve(handler)

    def methods(self) -> Counter[str]:
        """What was asked, by method and kind."""
        found = Counter(
            f"{method} {'manifest' if '/manifests/' in path else 'blob'}"
            for method, path, _ in self.requests
        )
        self.requests.clear()
        return found


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Counted]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    with Counted() as running:
        yield running


def test_a_known_image_takes_one_head(registry: Counted, tmp_path: Path) -> None:
    reference = registry.add("acme/api", "1.4", SAMPLE)
    with Cache(tmp_path / "cache") as cache:
        first = open_reference(reference, Options(cache=cache))
        assert registry.methods() == {
            "HEAD manifest": 1,
            "GET manifest": 1,
            "GET blob": 3,
        }, "the manifest, the configuration, two layers"
        for _ in range(3):
            assert open_reference(reference, Options(cache=cache)) == first
            assert registry.methods() == {"HEAD manifest": 1}
        assert pyimginspect.inspect(reference, cache=cache).image.digest == first.image.digest
        assert registry.methods() == {"HEAD manifest": 1}


def test_by_digest_a_known_image_takes_nothing(registry: Counted, tmp_path: Path) -> None:
    registry.add("acme/api", "1.4", SAMPLE)
    top = digest(registry.manifests["acme/api", "1.4"])
    reference = f"registry:{registry.host}/acme/api@{top}"
    with Cache(tmp_path / "cache") as cache:
        open_reference(reference, Options(cache=cache))
        registry.requests.clear()
        open_reference(reference, Options(cache=cache))
        assert registry.methods() == {}


def test_without_a_cache_nothing_is_asked_twice(registry: Counted) -> None:
    open_reference(registry.add("acme/api", "1.4", SAMPLE), Options())
    assert registry.methods() == {"GET manifest": 1, "GET blob": 3}


def test_an_index_is_known_too(registry: Counted, tmp_path: Path) -> None:
    reference = registry.add("acme/api", "1.4", Index(images=(SAMPLE,)))
    with Cache(tmp_path / "cache") as cache:
        open_reference(reference, Options(cache=cache))
        registry.requests.clear()
        open_reference(reference, Options(cache=cache))
        assert registry.methods() == {"HEAD manifest": 1}


def test_a_tag_that_has_moved_is_fetched(registry: Counted, tmp_path: Path) -> None:
    reference = registry.add("acme/api", "1.4", SAMPLE)
    with Cache(tmp_path / "cache") as cache:
        open_reference(reference, Options(cache=cache))
        registry.add("acme/api", "1.4", OTHER)
        registry.requests.clear()
        found = open_reference(reference, Options(cache=cache)).image
        assert found.config_digest == OTHER.config_digest
        assert registry.methods() == {"HEAD manifest": 1, "GET manifest": 1, "GET blob": 2}


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b""),
        (405, {}, b""),
        (403, {}, b""),
        (200, {}, b""),
        (200, {"Docker-Content-Digest": "nonsense"}, b""),
        (200, {"Docker-Content-Digest": f"sha256:{5:064x}"}, b""),
    ],
)
def test_a_registry_that_does_not_answer_to_head(
    answer: Any, registry: Counted, tmp_path: Path
) -> None:
    """It is asked for the manifest, as if nothing were known."""
    reference = registry.add("acme/api", "1.4", SAMPLE)
    with Cache(tmp_path / "cache") as cache:
        expected = open_reference(reference, Options(cache=cache))
        registry.faults.append(lambda method, _: answer if method == "HEAD" else None)
        registry.requests.clear()
        assert open_reference(reference, Options(cache=cache)) == expected
        assert registry.methods() == {"HEAD manifest": 1, "GET manifest": 1}


# --- one session, one token, one patience ---------------------------------------------------------
def test_many_images_share_their_connections(registry: Counted) -> None:
    references = [registry.add(f"acme/{n}", "1", SAMPLE) for n in range(6)]
    for reference in references:
        pyimginspect.inspect(reference)
    alone = len(registry.clients)
    registry.clients.clear()
    with Connections() as connections:
        for reference in references:
            open_reference(reference, Options(connections=connections, workers=1))
    assert len(registry.clients) == 1
    assert alone >= 6


def test_the_command_shares_them(registry: Counted, tmp_path: Path) -> None:
    references = [registry.add("acme/api", str(n), SAMPLE) for n in range(6)]
    with TokenServer() as tokens:
        registry.tokens = tokens
        status = main([*references, "--cache-dir", str(tmp_path / "c"), "-q", "--fail-on", "never"])
        assert status == 0
        assert len(tokens.requests) == 1, "one token for the repository"
        assert sum("authorization" not in headers for _, _, headers in registry.requests) == 1
    assert len(registry.clients) <= 2, "two layers are read at once"


def test_a_token_is_of_its_repository(registry: Counted) -> None:
    references = [registry.add(f"{name}/api", "1", SAMPLE) for name in ("one", "two", "one")]
    with TokenServer() as tokens, Connections() as connections:
        registry.tokens = tokens
        for reference in references:
            open_reference(reference, Options(connections=connections))
        scopes = [path.partition("scope=")[2] for _, path, _ in tokens.requests]
        assert len(scopes) == 2
        assert "one" in scopes[0]
        assert "two" in scopes[1]


def test_who_logs_in_later_is_let_in(registry: Counted, tmp_path: Path) -> None:
    """A long-lived process does not remember that there were no credentials."""
    reference = registry.add("acme/api", "1", SAMPLE)
    registry.users = {"me": "secret"}
    with Connections() as connections:
        options = Options(connections=connections)
        with pytest.raises(AuthenticationError):
            open_reference(reference, options)
        home = tmp_path / "none"
        home.mkdir()
        auth = "bWU6c2VjcmV0"  # me:secret
        text = f'{{"auths": {{"{registry.host}": {{"auth": "{auth}"}}}}}}'
        (home / "config.json").write_text(text)
        assert open_reference(reference, options).image.config_digest == SAMPLE.config_digest


def test_a_busy_registry_is_left_alone_by_all(registry: Counted) -> None:
    """While one waits as long as it was asked to, nobody else asks."""
    references = [registry.add(f"acme/{n}", "1", SAMPLE) for n in range(4)]
    times: list[float] = []
    lock = threading.Lock()

    def busy(method: str, path: str) -> Any:
        with lock:
            times.append(time.monotonic())
            return (429, {"Retry-After": "1"}, b"") if len(times) == 1 else None

    registry.faults.append(busy)
    with Connections() as connections, ThreadPoolExecutor(4) as pool:
        options = Options(connections=connections, workers=1)
        first = pool.submit(open_reference, references[0], options)
        while not times:
            time.sleep(0.01)
        time.sleep(0.1)
        others = [pool.submit(open_reference, each, options) for each in references[1:]]
        for each in [first, *others]:
            each.result()
    assert times[1] - times[0] >= 0.95


def test_waits_are_not_added_up(registry: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight who are told to wait at once wait once."""
    references = [registry.add(f"acme/{n}", "1", SAMPLE) for n in range(8)]
    told = threading.Barrier(8)
    left = [8]

    def busy(method: str, path: str) -> Any:
        if left[0] > 0:
            told.wait(20)
            left[0] -= 1
            return 429, {"Retry-After": "1"}, b""
        return None

    registry.faults.append(busy)
    with Connections() as connections, ThreadPoolExecutor(8) as pool:
        options = Options(connections=connections, workers=1)
        begun = time.monotonic()
        list(pool.map(lambda each: open_reference(each, options), references))
        assert time.monotonic() - begun < 5


def test_a_quota_that_stays_exhausted(
    registry: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    reference = registry.add("acme/api", "1", SAMPLE)
    registry.always("manifests", (429, {"Retry-After": "3"}, b""))
    with Cache(tmp_path / "cache") as cache, pytest.raises(QuotaError):
        open_reference(reference, Options(cache=cache))
