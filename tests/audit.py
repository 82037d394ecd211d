"""`python -m tests.audit PIP_AUDIT`, which is `make audit`: are there known holes in what is installed?

Fails for known vulnerabilities only. Where the index that knows them does not answer, it says so,
and how much was looked up: pip-audit by itself says "none found" of what it could not look up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from typing import Any

WAIT_S = 120
# Advisory -> why it does not touch the studio. Empty is the aim.
ACCEPTED: dict[str, str] = {}


def main(pip_audit: str) -> int:
    command = [pip_audit, "--path", sysconfig.get_path("purelib"), "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off", "--timeout", "10"],
            capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        said = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        print("Not audited: the list of known vulnerabilities could not be reached.")
        return 0
    holes, text = read(said["dependencies"])
    print(text)
    return 1 if holes else 0


def read(dependencies: list[dict[str, Any]]) -> tuple[int, str]:
    """Return the number of known vulnerabilities that are not accepted, and what to print."""
    lines = []
    for one in dependencies:
        for hole in one.get("vulns", ()):
            if ACCEPTED.keys().isdisjoint({hole["id"], *hole.get("aliases", ())}):
                fixed = ", ".join(hole["fix_versions"]) or "no version yet"
                lines.append(f"{one['name']} {one['version']}: {hole['id']}, fixed in {fixed}")
    looked_up = sum("vulns" in one for one in dependencies)
    holes = len(lines)
    known = f"{holes} known vulnerabilities" if holes != 1 else "1 known vulnerability"
    lines.append(f"{known} in {looked_up} of {len(dependencies)} packages that could be looked up.")
    return holes, "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
