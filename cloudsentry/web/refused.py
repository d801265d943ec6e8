"""A request that is not let in."""


class Refused(Exception):
    """``status`` is HTTP's, ``after`` the seconds after which it may be tried again, 0 for none told."""

    def __init__(self, status: int, why: str, after: int = 0) -> None:
        self.status, self.why, self.after = status, why, after
        super().__init__(why)
