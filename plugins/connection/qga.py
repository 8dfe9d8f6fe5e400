# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks inside a virtual machine, through its guest agent."""

from __future__ import annotations

DOCUMENTATION = r"""
name: qga
author: steward.proxmox contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Run tasks inside virtual machines, by the QEMU guest agent and the API
description:
  - For machines that have no ssh server, or no network at all. Any module runs there that finds its interpreter there.
  - The API starts each command by the agent in the machine, and files go the same way. No login on a node is needed,
    and the machine is found by its id, on whichever node it is.
  - Inside, commands run as the user of the agent, who is root or SYSTEM. C(ansible_user) and C(remote_user) change
    nothing; C(become) with C(become_user) does.
  - Windows machines need C(ansible_shell_type=powershell).
  - The allowlist of guests, the ledger and O(snapshot_before) are the same as for P(steward.proxmox.pct#connection).
requirements:
  - proxmoxer >= 2.3.0, on the controller
  - requests >= 2.31.0, on the controller
  - In the machine, the QEMU guest agent, which may run commands and write files. Proxmox VE 8.4 or later.
extends_documentation_fragment:
  - steward.proxmox.exec_in_guest
options:
  api_host:
    description: Host name or address of a node, or of several nodes of one cluster; the next one is tried when one does
      not answer.
    type: list
    elements: str
    env:
      - name: PROXMOX_HOST
    vars:
      - name: proxmox_api_host
      - name: ansible_qga_api_host
  api_port:
    description: Port of the API.
    type: int
    default: 8006
    env:
      - name: PROXMOX_PORT
    vars:
      - name: proxmox_api_port
      - name: ansible_qga_api_port
  api_user:
    description: The user, with realm (V(ansible@pve)). V(user@realm!token) names a token too.
    type: str
    env:
      - name: PROXMOX_USER
    vars:
      - name: proxmox_api_user
      - name: ansible_qga_api_user
  api_password:
    description: The user's password, unless a token is given.
    type: str
    env:
      - name: PROXMOX_PASSWORD
    vars:
      - name: proxmox_api_password
      - name: ansible_qga_api_password
  api_token_id:
    description:
      - The token, as V(user@realm!name) or the name alone with O(api_user).
      - It needs C(VM.Audit) and C(VM.GuestAgent.Unrestricted) for the machine, C(VM.Monitor) before Proxmox VE 9.
    type: str
    env:
      - name: PROXMOX_TOKEN_ID
    vars:
      - name: proxmox_api_token_id
      - name: ansible_qga_api_token_id
  api_token_secret:
    description: The token's secret.
    type: str
    env:
      - name: PROXMOX_TOKEN_SECRET
    vars:
      - name: proxmox_api_token_secret
      - name: ansible_qga_api_token_secret
  validate_certs:
    description: Verify the TLS certificate. Turn it off only where O(fingerprint) cannot be used.
    type: bool
    default: true
    env:
      - name: PROXMOX_VERIFY_SSL
    vars:
      - name: proxmox_validate_certs
      - name: ansible_qga_validate_certs
  ca_path:
    description: File with the CA certificates to trust instead of the system's.
    type: path
    env:
      - name: PROXMOX_CA_PATH
    vars:
      - name: proxmox_ca_path
      - name: ansible_qga_ca_path
  fingerprint:
    description: SHA-256 fingerprint of the node's certificate. Only this certificate is accepted then.
    type: str
    env:
      - name: PROXMOX_FINGERPRINT
    vars:
      - name: proxmox_fingerprint
      - name: ansible_qga_fingerprint
  api_timeout:
    description: Seconds to wait for an answer of the API.
    type: int
    default: 30
    vars:
      - name: proxmox_api_timeout
      - name: ansible_qga_api_timeout
  connect_timeout:
    description: Seconds to wait for a connection to one host of the API.
    type: int
    default: 5
    vars:
      - name: proxmox_connect_timeout
      - name: ansible_qga_connect_timeout
  command_timeout:
    description:
      - Seconds in which each command in the machine has to end; V(0) waits for ever. When it does not, the task fails.
      - The command is not stopped then. It may still come to its end.
    type: int
    default: 3600
    env:
      - name: ANSIBLE_QGA_COMMAND_TIMEOUT
    vars:
      - name: proxmox_command_timeout
      - name: ansible_qga_command_timeout
  agent_timeout:
    description: Seconds for which the agent may be silent while a command runs, because it restarts, or because the
      machine moves to another node.
    type: int
    default: 30
    vars:
      - name: proxmox_agent_timeout
      - name: ansible_qga_agent_timeout
  pipelining:
    description: Send modules as the input of their interpreter, so that a task needs a third of the requests.
    type: bool
    default: true
    env:
      - name: ANSIBLE_PIPELINING
    ini:
      - section: defaults
        key: pipelining
      - section: connection
        key: pipelining
    vars:
      - name: ansible_pipelining
      - name: ansible_qga_pipelining
"""

EXAMPLES = r"""
# inventory.yml. Opened by whoever starts the run: STEWARD_EXEC_QGA=200-299 ansible-playbook -i inventory.yml site.yml
machines:
  hosts:
    app:
      proxmox_vmid: 200
    office:
      proxmox_vmid: 201
      ansible_shell_type: powershell
  vars:
    ansible_connection: steward.proxmox.qga
    # the secret in PROXMOX_TOKEN_SECRET, or from a vault
    proxmox_api_host: [pve1.example.com, pve2.example.com]
    proxmox_api_token_id: ansible@pve!guests
    proxmox_ca_path: files/pve-root-ca.pem
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes
from ansible.plugins.become import BecomeBase
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.steward.proxmox.plugins.module_utils import _connection
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, OutcomeUnknown, StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._session import open_session
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent import files, posix, powershell
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent.api import Agent
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent.exec import CommandFailed, Outcome
from ansible_collections.steward.proxmox.plugins.plugin_utils._exec.guard import Going, Guard

display = Display()


class Connection(ConnectionBase):
    """Commands and files of one machine."""

    transport = "steward.proxmox.qga"
    has_pipelining = True
    # no option remote_user: the keyword of that name would set it
    default_user = "root"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connected = False
        self._system: files.System = posix
        if getattr(self._shell, "_IS_WINDOWS", False):
            # what Ansible wants to know of any connection to Windows
            self._system = powershell
            self.has_native_async = self.always_pipeline_modules = True
            self.module_implementation_preferences = (".ps1", ".exe", "")
            self.allow_executable = False

    def _connect(self) -> Connection:
        """Whether it may be done is asked before anything is sent; where the machine is, with the first command."""
        if not self._connected:
            with _as_ansible_says():
                api = {name: self.get_option(name) for name in _connection.argument_spec()}
                connection = _connection.resolve(api)
            self._name = str(self.get_option("inventory_name") or f"machine {self.get_option('vmid')}")
            self._guard = Guard(
                "qga",
                self.get_option("vmid"),
                self._name,
                list(connection.hosts),
                connection.identity,
                self.get_option("record_commands"),
            )
            self._guard.admit(self.get_option("snapshot_before"), api)
            with _as_ansible_says():
                session = open_session(connection, "PVE", 60)
            self._agent = Agent(session, self.get_option("vmid"), self.get_option("agent_timeout"))
            self._timeout = self.get_option("command_timeout")
            self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"EXEC {cmd}", host=self._name)
        become = self.become if sudoable and self.become and self.become.expect_prompt() else None
        text, data = self._with_password(become, cmd, in_data or b"") if become else (cmd, in_data or b"")
        with self._going("exec", cmd, stdin=in_data) as going:
            done = files.execute(self._agent, self._system, text, data, self._timeout)
            going.exit_status = done.status
        if become:
            done = _after_password(become, done)
        return done.status, done.stdout, done.stderr

    def _with_password(self, become: BecomeBase, cmd: str, data: bytes) -> tuple[str, bytes]:
        """Should it be asked for: root need not give one, and the agent mostly is root."""
        password = to_bytes(become.get_option("become_pass", playcontext=self._play_context))
        # su does not say how it asks
        prompt = become.prompt if isinstance(become.prompt, str) else "assword"
        return posix.answering(cmd, prompt, become.success), password + b"\n" + data

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._name)
        if not os.path.isfile(in_path):
            raise AnsibleFileNotFound(f"There is no file {in_path} to be put into {self._name}")
        with open(in_path, "rb") as source, self._going("put", f"{in_path} -> {out_path}") as going:
            sent = files.put(self._agent, self._system, source, self._plain(out_path), self._timeout)
            going.size, going.sha256 = sent.size, sent.sha256

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._name)
        with self._going("fetch", f"{in_path} -> {out_path}") as going:
            try:
                with open(out_path, "wb") as target:
                    came = files.fetch(self._agent, self._system, self._plain(in_path), target, self._timeout)
            except BaseException:
                Path(out_path).unlink(missing_ok=True)
                raise
            going.size, going.sha256 = came.size, came.sha256

    def reset(self) -> None:
        self.close()

    def close(self) -> None:
        self._connected = False

    @contextmanager
    def _going(self, what: Literal["exec", "put", "fetch"], words: str, stdin: bytes | None = None) -> Iterator[Going]:
        """Recorded, and with the errors that Ansible knows."""
        with _as_ansible_says(), self._guard.recorded(what, words, stdin=stdin) as going:
            try:
                yield going
            except (CommandFailed, OutcomeUnknown):
                going.began = True
                raise

    def _plain(self, path: str) -> str:
        """Ansible quotes paths of Windows."""
        return str(self._shell._unquote(path)) if self._system is powershell else path


def _after_password(become: BecomeBase, done: Outcome) -> Outcome:
    stderr = done.stderr.replace(to_bytes(become.prompt), b"") if isinstance(become.prompt, str) else done.stderr
    if become.success.encode() not in done.stdout:
        raise AnsibleError(f"{become.name} did not let us in: {stderr.decode(errors='replace').strip()}")
    return replace(done, stderr=stderr)


@contextmanager
def _as_ansible_says() -> Iterator[None]:
    """What was not run, or whose end nobody saw, is UNREACHABLE; anything else is a failure."""
    try:
        yield
    except (BadInput, CommandFailed) as error:
        raise AnsibleError(f"{error}") from error
    except StewardError as error:
        raise AnsibleConnectionFailure(f"{error}") from error
