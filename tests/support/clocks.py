"""A clock that stands still until a test moves it."""


class Clock:
    """Seconds since 1970. Call it to read it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
