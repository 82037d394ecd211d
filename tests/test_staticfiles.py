from __future__ import annotations

import re

from django.core.management import call_command


def test_modules_import_each_other_under_their_hashed_names(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "studio.staticfiles.StudioStaticFilesStorage"}
    }
    call_command("collectstatic", verbosity=0, interactive=False)

    hashed = list((tmp_path / "studio/js").glob("*.*.js"))
    imports = [m for p in hashed for m in re.findall(r'from ?"(\./[^"]+)"', p.read_text())]
    assert imports
    assert all(re.search(r"\.[0-9a-f]{12}\.js$", name) for name in imports)
