"""The drift limiter: corrections within a window; the cases of mass drift are in ``behaviour/serverless/mass_drift.yaml``."""

import pytest

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.drift_limiter import AT_LEAST, DriftLimiter, Limit

WINDOW = 540.0


class TestLimit:
    @pytest.mark.parametrize(
        ("text", "known", "allowed"),
        [
            pytest.param("20%", 1000, 200, id="a share"),
            pytest.param("20%", 59, 11, id="a share is rounded down"),
            pytest.param("20%", 10, AT_LEAST, id="a share of few is ten all the same"),
            pytest.param("1%", 0, AT_LEAST, id="a share of none"),
            pytest.param("100%", 1000, 1000, id="all of them"),
            pytest.param("3", 1000, 3, id="a number is taken at its word"),
            pytest.param("0", 1000, 0, id="none at all"),
            pytest.param(" 50 ", 10, 50, id="stray spaces do not matter"),
        ],
    )
    def test_allowed_resources(self, text: str, known: int, allowed: int) -> None:
        assert Limit.parse(text).of(known) == allowed

    @pytest.mark.parametrize("text", ["", "%", "many", "-1", "1.5", "20 %", "٣", "1000000000"])
    def test_an_invalid_limit_is_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match="examples are 20%"):
            Limit.parse(text)

    @pytest.mark.parametrize("text", ["0%", "101%"])
    def test_an_invalid_percentage_is_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match="from 1% to 100%"):
            Limit.parse(text)


class TestWindow:
    """A limiter of so many corrections within a window, and the time."""

    @pytest.fixture(autouse=True)
    def at(self) -> None:
        self.now = 1000.0

    def limiter(self, limit: str) -> DriftLimiter:
        return DriftLimiter(Limit.parse(limit), window=WINDOW, monotonic=lambda: self.now, known=lambda: 100)

    def test_who_waits_asks_again_when_the_window_ends(self) -> None:
        limiter = self.limiter("2")
        assert limiter.take_slot(_key("a")) == 0
        self.now += 100
        assert [limiter.take_slot(_key(name)) for name in "bcadb"] == [0, WINDOW - 100, 0, WINDOW - 100, 0]
        self.now += WINDOW - 100
        assert [limiter.take_slot(_key(name)) for name in "cda"] == [0, 0, WINDOW]

    def test_each_window_with_delays_is_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        limiter = self.limiter("1")
        for name in "abcbc":
            limiter.take_slot(_key(name))
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "MAX_CORRECTIONS=1" in caplog.text
        assert "ATLAS_ENDPOINTS_WRITES=off" in caplog.text
        self.now += WINDOW
        for name in "bcc":
            limiter.take_slot(_key(name))
        assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def _key(name: str) -> Key:
    return Key("ServerlessPrivateEndpoint", "shop", name)
