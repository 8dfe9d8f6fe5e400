# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach Proxmox VE: the options of module_utils/_connection.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_host:
    description:
      - Host name or address of a node, or of several nodes of one cluster; the next one is tried when one does not
        answer.
      - Without it, the environment variable E(PROXMOX_HOST) is used (several are separated by commas).
    type: list
    elements: str
  api_port:
    description: Port of the API; 8006 unless given here or in E(PROXMOX_PORT).
    type: int
  api_user:
    description:
      - The user, with realm (V(ansible@pve)). V(user@realm!token) names a token too. There is no default user.
      - Without it, E(PROXMOX_USER) is used.
    type: str
  api_password:
    description: The user's password, unless a token is given; both are an error. Without it, E(PROXMOX_PASSWORD) is
      used.
    type: str
  api_token_id:
    description: The token, as V(user@realm!name) or the name alone with O(api_user). Without it, E(PROXMOX_TOKEN_ID)
      is used.
    type: str
  api_token_secret:
    description: The token's secret. Without it, E(PROXMOX_TOKEN_SECRET) is used.
    type: str
  validate_certs:
    description: Verify the TLS certificate. Turn it off only where O(fingerprint) cannot be used.
      E(PROXMOX_VERIFY_SSL) sets it too.
    type: bool
    default: true
  ca_path:
    description: File with the CA certificates to trust instead of the system's. Without it, E(PROXMOX_CA_PATH) is used.
    type: path
  fingerprint:
    description:
      - SHA-256 fingerprint of the node's certificate, with or without colons. Only this certificate is accepted then.
      - Without it, E(PROXMOX_FINGERPRINT) is used.
    type: str
  api_timeout:
    description: Seconds to wait for an answer of the API.
    type: int
    default: 30
  connect_timeout:
    description: Seconds to wait for a connection to one host.
    type: int
    default: 5
  front_door:
    description: Set by the collection's own action plugin when the module runs on a target. A task cannot set it.
    type: raw
requirements:
  - proxmoxer >= 2.3.0
  - requests >= 2.31.0
"""
