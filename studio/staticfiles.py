"""Static files under names that carry their content, our script modules included."""

from __future__ import annotations

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
