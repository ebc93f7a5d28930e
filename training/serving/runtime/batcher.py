"""Which of the held requests run together: a pure function of what is held, and the time.

Wait 0: a batch forms while the one before it runs, so nobody waits for company.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TOKEN_BUDGET = 512
"""Padded tokens a batch may hold; more would be a longer wait for everybody."""


@dataclass(frozen=True, slots=True)
class Request:
    """One entry of a request stream.

    Attributes:
        queue: Name of the stream it was read from.
        id: Its id there.
        deployment: Deployment it was sent to.
        version: Model version that must answer it.
        deadline: Milliseconds by Valkey's clock after which nobody wants the answer.
        texts: What to classify.
        received: Milliseconds by Valkey's clock when this server read it.
    """

    queue: str
    id: str
    deployment: str
    version: str
    deadline: int
    texts: list[str]
    received: int


@dataclass(slots=True)
class Held:
    """A request with its encoded rows (token ids, one list a text) and which texts were cut."""

    request: Request
    rows: list[list[int]]
    cut: list[bool]


@dataclass(slots=True)
class Batcher:
    """The requests this server holds, in the order it read them."""

    budget: int = TOKEN_BUDGET
    held: list[Held] = field(default_factory=list)

    def __len__(self) -> int:
        """Return how many requests are held."""
        return len(self.held)

    def add(self, item: Held) -> None:
        """Hold one more request."""
        self.held.append(item)

    def expire(self, now: int) -> list[Request]:
        """Remove and return the requests whose deadline is past."""
        late = [item.request for item in self.held if item.request.deadline < now]
        self.held = [item for item in self.held if item.request.deadline >= now]
        return late

    def take(self) -> list[Held]:
        """Remove and return the next batch: one model version, in order, within the budget.

        The oldest request always leaves, even alone and above the budget, so none starves.
        """
        if not self.held:
            return []
        version = self.held[0].request.version
        batch: list[Held] = []
        rest: list[Held] = []
        longest = count = 0
        full = False
        for item in self.held:
            if full or item.request.version != version:
                rest.append(item)
                continue
            longest_then = max(longest, *(len(row) for row in item.rows))
            count_then = count + len(item.rows)
            if batch and longest_then * count_then > self.budget:
                full = True
                rest.append(item)
                continue
            batch.append(item)
            longest, count = longest_then, count_then
        self.held = rest
        return batch


def slices(rows: list[list[int]], budget: int = TOKEN_BUDGET) -> list[list[int]]:
    """Return the indices of `rows` cut into runs of at most `budget` padded tokens each."""
    parts: list[list[int]] = []
    longest = 0
    for index, row in enumerate(rows):
        grown = max(longest, len(row))
        if not parts or grown * (len(parts[-1]) + 1) > budget:
            parts.append([index])
            longest = len(row)
        else:
            parts[-1].append(index)
            longest = grown
    return parts
