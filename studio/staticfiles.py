"""Static files under names that carry their content, our script modules included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StudioStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped package
    """Also rewrites `import "./studio.js"` to the hashed name.

    Without it a module is loaded under two addresses and runs twice. Only the studio's own
    scripts: packages ship modules that import names which are no files.
    """

    support_js_module_import_aggregation = True
    _js_module_import_aggregation_patterns = (
        "studio/js/*.js",
        CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1],
    )

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Compress, and let the front server read the result like the file it was made from."""
        for name, compressed in super().compress_files(paths):
            Path(self.path(compressed)).chmod(self.file_permissions_mode)
            yield name, compressed
