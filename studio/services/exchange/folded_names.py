"""Names that must differ in more than case, in the rows of a backup.

Tags and views are compared folded (studio.folding). In backups of older versions, made on SQLite,
whose lower() knows A to Z alone, “Über” and “über” are two; the tables take one of them. Of
e-mail addresses PostgreSQL, whose lower() knows every script, takes one.
"""

from __future__ import annotations

from typing import Any

from studio.folding import folded_name
from studio.incoming_text import cut

# Of each table: the column whose text is compared without case, and the columns it is unique within.
FOLDED: dict[str, tuple[str, tuple[str, ...]]] = {
    "studio.user": ("email", ()),
    "studio.tag": ("name", ("project_id",)),
    "studio.savedview": ("name", ("project_id", "owner_id")),
}
# An account is known by its address: another one would be another person's.
KEPT = frozenset({"studio.user"})


class FoldedNames:
    """Follows the rows as they are read. `renamed` says in sentences which were given another name."""

    def __init__(self) -> None:
        self._taken: dict[tuple[Any, ...], str] = {}
        self.renamed: list[str] = []

    def settle(self, label: str, values: dict[str, Any], longest: int | None) -> None:
        """Give a row the next free name where its table would take only one of the two.

        `values` are the row's columns and are changed. Raises ValueError for what cannot be renamed.
        """
        column, within = FOLDED[label]
        place, name = (label, *(values.get(one) for one in within)), values.get(column)
        if not isinstance(name, str):
            return
        fold = str.lower if label in KEPT else folded_name
        other = self._taken.get((*place, fold(name)))
        if other is not None and label in KEPT:
            raise ValueError(
                f"“{column}” is “{name}”, and another row has “{other}”; PostgreSQL takes one of the two. "
                "Change one of them in the studio that made the backup"
            )
        free, number = name, 2
        while (*place, fold(free)) in self._taken:
            end = f" ({number})"
            free, number = f"{cut(name, (longest or 10**6) - len(end))}{end}", number + 1
        self._taken[(*place, fold(free))] = free
        if free != name:
            values[column] = free
            self.renamed.append(f"“{name}” is “{free}” here: there is “{other}” too.")
