# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reads of a no-op `lxc` task with nothing around them: one requests.Session, the configuration and the status."""

import json
import sys

import requests


def main() -> None:
    connection = json.loads(sys.argv[1])
    with requests.Session() as http:
        http.trust_env = False  # neither proxy nor CA bundle of the environment
        http.verify = connection["ca_path"]
        http.headers["Authorization"] = f"PVEAPIToken={connection['token']}"
        for vmid in connection["vmids"]:
            for part in ("pending", "status/current"):
                answer = http.get(f"{connection['url']}/nodes/pve1/lxc/{vmid}/{part}", timeout=30)
                answer.raise_for_status()
                answer.json()


if __name__ == "__main__":
    main()
