"""`manage.py search`: says how the gallery's search stands, and fills its index anew."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.db import connection

from studio import search
from studio.management.base import StudioCommand

NO_TRIGRAMS = "Misspelt words are not found: the PostgreSQL extension pg_trgm is not there."
TRIGRAMS_FIX = "As a superuser: CREATE EXTENSION pg_trgm. Then: manage.py search --rebuild"


class Command(StudioCommand):
    help = "Check the index behind the gallery's search; --rebuild fills it anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rebuild", action="store_true", help="read every clip and comment again"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rebuild"]:
            search.install(connection)
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM studio_searchtext")
                count = cursor.fetchone()[0]
            self.stdout.write(f"The index holds {count} clip{'' if count == 1 else 's'}.")
        found = search.standing(connection)
        if found.problem:
            self.stdout.write(f"Search is out of date: {found.problem}.")
            self.stdout.write("Run: manage.py search --rebuild")
        else:
            self.stdout.write("Search covers every title, prompt and comment.")
        if found.lacks_trigrams:
            self.stdout.write(f"{NO_TRIGRAMS} {TRIGRAMS_FIX}")
