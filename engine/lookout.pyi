from collections.abc import Callable

class Lookout:
    def __init__(self, epoll: int, obey: Callable[[], object], rehearsal: Callable[[], object]) -> None: ...
