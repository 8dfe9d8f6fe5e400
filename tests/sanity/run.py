# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs ansible-test sanity where neither a container nor a special folder layout is at hand.

ansible-test wants the collection at ansible_collections/<namespace>/<name> inside a git repository, and downloads
get-pip.py from a host that many networks do not reach. So the tree is copied to where it should be, and a stand-in
for get-pip.py, which starts from the pip that comes with Python, is put into ansible-test's cache.
That cache is a private one: it lasts between runs, and the user's own is left alone.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = Path(sys.prefix) / "sanity"
TREE = WORK / "ansible_collections" / "steward" / "proxmox"
HOME = WORK / "home"

GET_PIP_STAND_IN = """\
import subprocess, sys
wanted = [arg for arg in sys.argv[1:] if arg not in ("--no-setuptools", "--no-wheel")]
subprocess.check_output([sys.executable, "-m", "ensurepip"])
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *wanted]))
"""


def copy_tree() -> None:
    """Copy what git knows or would add, so that build products and environments stay out."""
    shutil.rmtree(TREE, ignore_errors=True)
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)
    subprocess.run(["git", "init", "--quiet", "."], cwd=TREE, check=True)


def place_get_pip() -> None:
    """Write the stand-in under the name that this release of ansible-test looks for."""
    import ansible_test

    source = Path(ansible_test.__path__[0]) / "_internal" / "python_requirements.py"
    found = re.search(r"""\bpip=['"]([0-9.]+)['"]""", source.read_text())
    if not found:
        sys.exit(f"cannot tell from {source} which pip ansible-test wants")
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{found[1].replace('.', '_')}.py").write_text(GET_PIP_STAND_IN)


def share_pip_configuration() -> None:
    """In the private home too, pip asks the index that the user chose."""
    for folder in (".config/pip", ".pip"):
        theirs, ours = Path.home() / folder, HOME / folder
        ours.parent.mkdir(parents=True, exist_ok=True)
        if theirs.exists() and not ours.exists():
            ours.symlink_to(theirs)


def main() -> int:
    copy_tree()
    place_get_pip()
    share_pip_configuration()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    ansible_test = str(Path(sys.executable).with_name("ansible-test"))
    command = [ansible_test, "sanity", "--python", python, "--requirements", *sys.argv[1:]]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.call(command, cwd=TREE, env={**os.environ, "HOME": str(HOME), "PATH": path})


if __name__ == "__main__":
    sys.exit(main())
