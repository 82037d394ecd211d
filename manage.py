#!/usr/bin/env python
"""Ray Studio's command line: `manage.py studio` starts it, `manage.py help` lists the rest."""

import os
import sys

# Plain enough for a Python of any age to read: an old one must say so, not fail to parse.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "Ray Studio needs Python 3.11 or newer; this is Python %d.%d. "  # noqa: UP031
        "Install a newer one and run it again." % sys.version_info[:2]
    )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise
        sys.exit("Django is not installed for this Python. Use `make run`, or .venv/bin/python.")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
