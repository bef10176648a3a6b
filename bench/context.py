"""What every part of the benchmark is given."""

from dataclasses import dataclass

from bench import dataset
from bench.plan import Mode


@dataclass(frozen=True)
class Bench:
    """The database server, the key that tokens are signed with, and how much is measured."""

    admin_url: str
    secret: str
    mode: Mode

    def database(self, data: dataset.Data | None = None) -> str:
        """The address of a database with this data, the buyers of holds without any; made when it is not there yet."""
        return dataset.prepare(self.admin_url, data or dataset.holds_of(self.mode.users))
