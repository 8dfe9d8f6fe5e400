#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc
version_added: "0.1.0"
short_description: Manage Linux containers of Proxmox VE
description:
  - Creates a container from a template, a backup or another container, configures it, and brings it to its power
    state, in one task.
  - What the task does not mention stays. Property strings such as O(net) are merged key by key, so a MAC address or a
    volume survives.
  - The result holds the plan, the same in check mode and for real.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
options:
  vmid:
    description: Id of the container. Without it, the container is found by O(name), and a new one gets the next free
      id.
    type: int
  name:
    description: Host name of the container. Without O(vmid) it says which container is meant.
    type: str
    aliases: [hostname]
  node:
    description: Node of the container. Needed to create one in a cluster. It is not moved when it is on another node;
      that is an error.
    type: str
  state:
    description:
      - V(present) leaves the power state alone. V(started) and V(stopped) change it; stopping is a clean shutdown.
      - V(restarted) is a verb and runs every time. V(template) stops the container and turns it into a template, for
        good.
      - V(absent) destroys the container with its volumes; one that runs is refused unless O(force=true).
    type: str
    default: present
    choices: [present, started, stopped, restarted, absent, template]
  source:
    description: What a new container is made from. Ignored where the container exists, unless O(force=true) with an
      archive.
    type: dict
    suboptions:
      template:
        description: Volume id of a container template, for example
          V(local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst).
        type: str
      archive:
        description:
          - A backup to restore, by O(source.archive.volid) or by storage and guest or name.
          - The restore keeps the features of the archive, also those that no token may set, and needs no root.
        type: dict
        suboptions:
          volid:
            description: Volume id of the backup.
            type: str
          storage:
            description: Storage that holds the backup.
            type: str
          guest:
            description: Id of the guest that was backed up.
            type: int
          name:
            description: Name of the backup, as M(steward.proxmox.backup) gives it (the first line of its notes).
            type: str
          newest:
            description: Take the newest one where several match. With V(false) several are an error.
            type: bool
            default: true
      clone:
        description: Another container to copy.
        type: dict
        suboptions:
          vmid:
            description: Id of the container to copy.
            type: int
          name:
            description: Name of the container to copy.
            type: str
          full:
            description: Copy the volumes. V(false) makes a linked clone, which only a template can have.
            type: bool
            default: true
          snapshot:
            description: Copy this snapshot instead of the current state.
            type: str
      keep_identity:
        description: Keep the MAC addresses of the archive or origin. Two running guests must not share one.
        type: bool
        default: false
  rootfs:
    description: The root file system. An existing volume is grown where O(rootfs.size) is larger; it never shrinks
      and is never allocated again.
    type: dict
    suboptions:
      storage:
        description: Storage of a new volume.
        type: str
      size:
        description: Size, for example V(8G). A bare number counts GiB. V(4G) for a new root file system.
        type: str
      acl:
        description: Enable or disable ACLs.
        type: bool
      mountoptions:
        description: Extra mount options, for example V(noatime).
        type: list
        elements: str
      quota:
        description: Enable user quotas.
        type: bool
      replicate:
        description: Include the volume in storage replication.
        type: bool
      ro:
        description: Mount read-only.
        type: bool
      shared:
        description: Mark the volume as available on all nodes.
        type: bool
  mounts:
    description: Mount points. Slots that are not listed stay; remove one with O(delete).
    type: list
    elements: dict
    suboptions:
      slot:
        description: The mount point, V(mp0) to V(mp255).
        type: str
        required: true
      mp:
        description: Path inside the container. Needed for a new one.
        type: str
      volume:
        description: An existing volume id, or a path of the host (a bind mount, which only root@pam may make).
        type: str
      backup:
        description: Include the volume in backups.
        type: bool
      storage:
        description: Storage of a new volume.
        type: str
      size:
        description: Size, for example V(8G). A bare number counts GiB.
        type: str
      acl:
        description: Enable or disable ACLs.
        type: bool
      mountoptions:
        description: Extra mount options, for example V(noatime).
        type: list
        elements: str
      quota:
        description: Enable user quotas.
        type: bool
      replicate:
        description: Include the volume in storage replication.
        type: bool
      ro:
        description: Mount read-only.
        type: bool
      shared:
        description: Mark the volume as available on all nodes.
        type: bool
  net:
    description: Network interfaces. Slots that are not listed stay, and so do the keys of a listed one that are not
      given. Remove an interface with O(delete), and a key whose value is a text or a list by giving it empty.
    type: list
    elements: dict
    suboptions:
      slot:
        description: The interface, V(net0) to V(net31).
        type: str
        required: true
      name:
        description: Name inside the container. A new V(net0) is called V(eth0), and so on.
        type: str
      bridge:
        description: Bridge or VNet to connect to.
        type: str
      hwaddr:
        description: MAC address. The server chooses one for a new interface.
        type: str
      ip:
        description: IPv4 address in CIDR notation, V(dhcp) or V(manual).
        type: str
      gw:
        description: IPv4 gateway.
        type: str
      ip6:
        description: IPv6 address in CIDR notation, V(auto), V(dhcp) or V(manual).
        type: str
      gw6:
        description: IPv6 gateway.
        type: str
      tag:
        description: VLAN tag.
        type: int
      trunks:
        description: VLAN ids that pass.
        type: list
        elements: int
      mtu:
        description: Maximum transfer unit.
        type: int
      rate:
        description: Rate limit in MB/s.
        type: float
      firewall:
        description: Apply the firewall's rules.
        type: bool
      link_down:
        description: Disconnect the interface.
        type: bool
  features:
    description:
      - Flags of the container; the ones that are not given stay.
      - Everything but V(nesting) may only be changed by root@pam with its password; a token is refused before
        anything is sent.
        Make such a container with M(steward.proxmox.privileged_host), and its copies by restoring a backup of it.
    type: dict
    suboptions:
      nesting:
        description: Allow nesting.
        type: bool
      keyctl:
        description: Allow the keyctl() system call (unprivileged containers, needed for Docker).
        type: bool
      fuse:
        description: Allow FUSE file systems.
        type: bool
      mknod:
        description: Allow mknod() for certain devices.
        type: bool
      force_rw_sys:
        description: Mount /sys read-write in unprivileged containers.
        type: bool
      mount:
        description: File system types that may be mounted. Exact.
        type: list
        elements: str
  cores:
    description: Number of cores.
    type: int
  cpulimit:
    description: Limit of CPU time, in cores; V(0) is no limit.
    type: float
  cpuunits:
    description: CPU weight.
    type: int
  memory:
    description: Memory in MiB.
    type: int
  swap:
    description: Swap in MiB.
    type: int
  arch:
    description: Architecture.
    type: str
    choices: [amd64, i386, arm64, armhf, riscv32, riscv64]
  ostype:
    description: Operating system type, which selects the setup scripts.
    type: str
  unprivileged:
    description: Run as an unprivileged user. Can only be set at creation; Proxmox's default is V(true).
    type: bool
  onboot:
    description: Start when the node starts.
    type: bool
  startup:
    description: Start and shutdown order.
    type: dict
    suboptions:
      order:
        description: Position in the order.
        type: int
      up:
        description: Seconds to wait after the start.
        type: int
      down:
        description: Seconds to wait for the shutdown.
        type: int
  protection:
    description: Forbid destroying the container and its volumes.
    type: bool
  tags:
    description: Tags. Exact, as a set; V([]) removes all.
    type: list
    elements: str
  description:
    description: Notes; an empty text removes them.
    type: str
  nameserver:
    description: DNS servers. Exact, in order.
    type: list
    elements: str
  searchdomain:
    description: DNS search domain.
    type: str
  timezone:
    description: Time zone, or V(host).
    type: str
  cmode:
    description: Console mode.
    type: str
    choices: [shell, console, tty]
  console:
    description: Attach a console device.
    type: bool
  tty:
    description: Number of ttys.
    type: int
  debug:
    description: Verbose start.
    type: bool
  hookscript:
    description: Volume id of a hook script. Only root@pam may set it.
    type: str
  entrypoint:
    description: Command to run as init (PVE 9.1 and later).
    type: str
  pool:
    description: Pool of a new container.
    type: str
  password:
    description: Password of root inside a new container. Cannot be read back, so it is only used at creation.
    type: str
  ssh_public_keys:
    description: SSH public keys of root inside a new container. Only used at creation.
    type: list
    elements: str
  delete:
    description: Keys of the configuration to remove, for example V(net1), V(mp0) or V(cores). A removed volume
      becomes unused; it is not destroyed.
    type: list
    elements: str
  force:
    description:
      - With O(state=absent), stop a running container and destroy it. With O(state=stopped), stop it hard after
        O(shutdown_timeout).
      - With an archive, restore over an existing container, every time the task runs. A running one is refused all
        the same.
    type: bool
    default: false
  purge:
    description: With O(state=absent), also remove the container from backup jobs, replication, HA and ACLs.
    type: bool
    default: false
  shutdown_timeout:
    description: Seconds that a clean shutdown may take.
    type: int
    default: 60
seealso:
  - module: steward.proxmox.privileged_host
  - module: steward.proxmox.backup
"""

EXAMPLES = r"""
- name: A container from a template, configured and running
  steward.proxmox.lxc:
    vmid: 200
    name: web1
    node: pve1
    state: started
    source:
      template: local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst
    rootfs:
      storage: local-zfs
      size: 8G
    cores: 2
    memory: 1024
    net:
      - slot: net0
        bridge: vmbr0
        ip: dhcp
    tags: [web, production]

- name: A copy of the newest golden image, with its own identity
  steward.proxmox.lxc:
    vmid: 201
    name: docker1
    node: pve1
    state: started
    source:
      archive:
        storage: local
        name: golden-docker
    rootfs:
      storage: local-zfs
    net:
      - slot: net0
        ip: 10.0.0.21/24
        gw: 10.0.0.1

- name: One more core, whatever else it has
  steward.proxmox.lxc:
    vmid: 200
    node: pve1
    cores: 3

- name: Destroy it, also when it runs
  steward.proxmox.lxc:
    vmid: 200
    state: absent
    force: true
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
upids:
  description: The tasks that the API started, in order. With O(wait=false) they may still run.
  returned: when tasks were started
  type: list
  elements: str
vmid:
  description: Id of the container.
  returned: when it exists or is planned
  type: int
node:
  description: Node of the container.
  returned: when it exists or is planned
  type: str
config:
  description: The configuration, as the API returns it; in check mode as it would be, with values that only the
    server knows as V((known after apply)).
  returned: when it exists or is planned
  type: dict
"""

from ansible_collections.steward.proxmox.plugins.module_utils._guest.lxc import LXC
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(LXC)


if __name__ == "__main__":
    main()
