"""A clock whose sleeps are over at once, for code that pauses between real network calls."""

from tests.fakes.fake_clock import FakeClock


class HastyClock(FakeClock):
    """`slept` are the seconds of every sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
