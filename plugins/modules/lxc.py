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
  - Creates a container from a template, a backup or another container, configures it, brings it to its node and its
    power state, and waits until it can be reached, in one task.
  - What the task does not mention stays. Options that hold several properties, such as O(net) and O(mounts), are merged
    key by key, so a MAC address or a volume survives. Removing is explicit, by O(delete).
  - What a running container cannot take over waits for its next start, for example O(features), O(nameserver) and
    O(ostype). Cores, memory, interfaces and mount points do not wait. The plan says what waits, and
    O(reboot_if_pending) ends it.
  - The result holds the plan, the same in check mode and for real. It shows what else a step disturbs, destroys or
    loses.
  - A task that changes nothing costs one request, or two where it asks for a power state, if O(vmid) and O(node) are
    given.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
  - steward.proxmox.policy
  - steward.proxmox.guest
  - steward.proxmox.migrate
  - steward.proxmox.wait_for
  - steward.proxmox.limits
  - steward.proxmox.snapshot_before
attributes:
  idempotent:
    support: partial
    details: The state V(restarted), and O(force=true) with O(source.archive), act every time that the task runs.
options:
  name:
    description: Host name of the container. Without O(vmid) it says which container is meant, and must be unique
      then; with O(vmid) the container is renamed to it.
    type: str
    aliases: [hostname]
  state:
    description:
      - V(present) leaves the power state alone.
      - V(started) starts the container.
      - V(stopped) stops it at once, without asking what runs in it.
      - V(shutdown) asks it to shut down and waits O(shutdown_timeout) seconds. The task fails if the container still
        runs then; with O(force=true) it is stopped instead.
      - >-
        V(restarted) is a verb and acts every time that the task runs: it shuts down and starts again, and starts a
        container that is off.
      - V(template) turns the container into a template, for good. One that runs is shut down first.
      - V(absent) destroys the container with its volumes and snapshots. One that runs is refused unless
        O(force=true). Backups stay.
      - A container under HA is started and stopped through its HA state.
    type: str
    default: present
    choices: [present, started, stopped, shutdown, restarted, absent, template]
  source:
    description:
      - What a new container is made from. The rest of the task is done to it as well, in the same task.
      - Where the container exists this is ignored, so that the task can run again, unless O(force=true) with
        O(source.archive).
    type: dict
    suboptions:
      template:
        description: Volume id of a container template, for example
          V(local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst).
        type: str
      clone:
        description: Another container to copy, on any node.
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
          storage:
            description: Storage for the volumes of a full copy, instead of those that the origin has. A copy on
              another node needs shared storage.
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
            description: Take the newest one where several match. With V(false), several are an error.
            type: bool
            default: true
          restore_storage:
            description: Storage for the volumes, as O(rootfs.storage) says it too, instead of the one that they had.
            type: str
      keep_identity:
        description: Keep the MAC addresses of the archive or origin, instead of new ones. Two running containers must
          not share them.
        type: bool
        default: false
  rootfs:
    description: The root file system. Another O(rootfs.storage) moves it, and a larger O(rootfs.size) grows it; it is
      never allocated again. Keys that are not given stay.
    type: dict
    suboptions:
      storage:
        description: Storage of a new volume. An existing one on another storage is moved while the container is off.
        type: str
      size:
        description: Size, for example V(32G). A bare number counts GiB. An existing volume grows where this is
          larger; a smaller one is refused, as volumes cannot shrink. V(4G) for a new root file system.
        type: str
      volume:
        description: An existing volume id. Another one than the one that is there is refused.
        type: str
      mountoptions:
        description: Mount options, for example V([noatime, discard]). Exact.
        type: list
        elements: str
      acl:
        description: Switch ACLs on or off. Without it the file system decides.
        type: bool
      quota:
        description: User quotas inside the container.
        type: bool
      replicate:
        description: Include the volume in storage replication. The server's default is V(true).
        type: bool
      ro:
        description: Mount read-only.
        type: bool
      shared:
        description: Every node has this volume, although its storage is not marked as shared.
        type: bool
      idmap:
        description: How ids are mapped, as V(passthrough) or entries such as V(u:0:100000:65536) (PVE 9.0 and later).
          Only root@pam may set it.
        type: list
        elements: str
  mounts:
    description:
      - Mount points. Those that are not listed stay, and so do the keys of a listed one that are not given.
      - A new one is allocated with O(mounts[].storage) and O(mounts[].size), or attached by O(mounts[].volume).
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
      state:
        description:
          - V(present) makes the volume as described.
          - V(detached) takes it out of the guest and keeps its data, as one of the C(unused) volumes.
          - V(absent) destroys it with its data.
          - A running container keeps its mount points until its next start, so V(absent) is refused while it runs.
        type: str
        default: present
        choices: [present, detached, absent]
      storage:
        description: Storage of a new volume. An existing one on another storage is moved while the container is off.
        type: str
      size:
        description: Size, for example V(32G). A bare number counts GiB. An existing volume grows where this is
          larger; a smaller one is refused, as volumes cannot shrink.
        type: str
      volume:
        description: An existing volume id, or a path of the node (a bind mount, which only root@pam may make).
          Another one than the one that is there is refused.
        type: str
      backup:
        description: Include the volume in backups. The server's default is V(false).
        type: bool
      mountoptions:
        description: Mount options, for example V([noatime, discard]). Exact.
        type: list
        elements: str
      acl:
        description: Switch ACLs on or off. Without it the file system decides.
        type: bool
      quota:
        description: User quotas inside the container.
        type: bool
      replicate:
        description: Include the volume in storage replication. The server's default is V(true).
        type: bool
      ro:
        description: Mount read-only.
        type: bool
      shared:
        description: Every node has this volume, although its storage is not marked as shared.
        type: bool
      keepattrs:
        description: Keep owner and mode of the mount point's directory (PVE 9.0 and later).
        type: bool
      idmap:
        description: How ids are mapped, as V(passthrough) or entries such as V(u:0:100000:65536) (PVE 9.0 and later).
          Only root@pam may set it.
        type: list
        elements: str
  devices:
    description: Devices of the node that the container may use. Only root@pam may set them. Those that are not listed
      stay.
    type: list
    elements: dict
    suboptions:
      slot:
        description: The device, V(dev0) to V(dev255).
        type: str
        required: true
      path:
        description: Path of the device on the node. Needed for a new one.
        type: str
      mode:
        description: Access mode inside the container, for example V(0660).
        type: str
      uid:
        description: Owner inside the container. The server's default is 0.
        type: int
      gid:
        description: Group inside the container. The server's default is 0.
        type: int
      deny_write:
        description: The container may only read from it.
        type: bool
  net:
    description: >-
      Network interfaces. Those that are not listed stay, and so do the keys of a listed one that are not given: the
      MAC address above all. O(delete) removes an interface or a key of one.
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
        description: VLAN ids that pass, for example V([10, 20]). Exact.
        type: list
        elements: str
      mtu:
        description: Maximum transfer unit.
        type: int
      rate:
        description: Rate limit in MB/s.
        type: float
      firewall:
        description: Apply the firewall's rules. The server's default is V(false).
        type: bool
      link_down:
        description: Pull the cable.
        type: bool
      host_managed:
        description: The node sets the address, not the container's own network setup (PVE 9.0 and later).
        type: bool
  nameserver:
    description: DNS servers. Exact, in order.
    type: list
    elements: str
  searchdomain:
    description: DNS search domain.
    type: str
  features:
    description:
      - Flags of the container, compared as a set; the ones that are not given stay.
      - Everything but V(nesting) may only be changed by root@pam with its password; a token is refused before
        anything is sent. Make such a container with M(steward.proxmox.privileged_host), and its copies by restoring a
        backup of it.
    type: dict
    suboptions:
      nesting:
        description: Allow containers inside.
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
    description: Cores. Without it the container may use all of them.
    type: int
  cpulimit:
    description: Limit of CPU time, in cores; V(0) is no limit.
    type: float
  cpuunits:
    description: CPU weight among the guests of a node. The server's default is 100.
    type: int
  memory:
    description: Memory in MiB. The server's default is 512.
    type: int
  swap:
    description: Swap in MiB. The server's default is 512.
    type: int
  arch:
    description: Architecture. The server takes the one of the template.
    type: str
    choices: [amd64, arm64, armhf, i386, riscv32, riscv64]
  ostype:
    description: Operating system, which selects the setup scripts, for example V(debian); V(unmanaged) runs none.
    type: str
    choices: [alpine, archlinux, centos, debian, devuan, fedora, gentoo, nixos, opensuse, ubuntu, unmanaged]
  unprivileged:
    description: Run as an unprivileged user. Can only be set at creation, and is V(true) for a new container unless
      said.
    type: bool
  timezone:
    description: Time zone, for example V(Europe/Berlin), or V(host).
    type: str
  cmode:
    description: What the console opens. The server's default is V(tty).
    type: str
    choices: [console, shell, tty]
  console:
    description: Attach a console device. The server's default is V(true).
    type: bool
  tty:
    description: Number of ttys. The server's default is 2.
    type: int
  debug:
    description: Log more at the start.
    type: bool
  entrypoint:
    description: Command to run as init, for containers of OCI images (PVE 9.0 and later). The server's default is
      V(/sbin/init).
    type: str
  env:
    description: Environment of the entrypoint, as names and values (PVE 9.0 and later). Exact.
    type: dict
  password:
    description: Password of root inside a new container. Cannot be read back, so it is only used at creation.
    type: str
  ssh_public_keys:
    description: SSH public keys of root inside a new container. Only used at creation.
    type: list
    elements: str
seealso:
  - module: steward.proxmox.vm
  - module: steward.proxmox.privileged_host
  - module: steward.proxmox.snapshot
  - module: steward.proxmox.backup
  - module: steward.proxmox.guest_info
"""

EXAMPLES = r"""
# The connection comes from the environment (PROXMOX_HOST and others) or from module_defaults.

- name: A container from a template, configured, running and reachable
  steward.proxmox.lxc:
    name: web1
    node: pve1
    state: started
    source:
      template: local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst
    rootfs:
      storage: local-zfs
      size: 8G
    mounts:
      - slot: mp0
        mp: /srv
        storage: local-zfs
        size: 20G
        backup: true
    cores: 2
    memory: 1024
    net:
      - slot: net0
        bridge: vmbr0
        ip: dhcp
    ssh_public_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    tags: [web, production]
    wait_for:
      ip: ipv4

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

- name: A linked clone of a template, by name; a second run makes no other one
  steward.proxmox.lxc:
    name: worker1
    node: pve1
    source:
      clone:
        name: debian-template
        full: false

- name: One more core, whatever else it has
  steward.proxmox.lxc:
    vmid: 200
    node: pve1
    cores: 3

- name: Another VLAN for an interface; its MAC address, bridge and IP address stay
  steward.proxmox.lxc:
    vmid: 200
    node: pve1
    net:
      - slot: net0
        tag: 40

- name: Grow the root file system, move a mount point to another storage and detach a third one
  steward.proxmox.lxc:
    vmid: 200
    node: pve1
    state: shutdown
    rootfs:
      size: 16G
    mounts:
      - slot: mp0
        storage: ceph
      - slot: mp1
        state: detached

- name: Move a container to another node, with a short interruption
  steward.proxmox.lxc:
    vmid: 200
    node: pve2
    migrate:
      restart: true

- name: Another environment for a container of an OCI image (PVE 9)
  steward.proxmox.lxc:
    vmid: 203
    node: pve1
    env:
      LOG_LEVEL: debug
    reboot_if_pending: true

- name: Make a template of a container
  steward.proxmox.lxc:
    vmid: 204
    state: template

- name: Destroy a container, also when it runs, and take it out of all jobs
  steward.proxmox.lxc:
    vmid: 200
    state: absent
    force: true
    purge: true
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
  description: The configuration, as the API returns it, with the changes that wait for the next start; in check mode
    as it would be, with values that only the server knows as V((known after apply)).
  returned: when it exists or is planned
  type: dict
pending:
  description: Keys of the configuration that the running container takes over at its next start.
  returned: when it exists or is planned
  type: list
  elements: str
addresses:
  description: The addresses that O(wait_for) is about, each with C(address), C(prefix), C(family) (V(ipv4) or V(ipv6)),
    C(interface) and C(mac).
  returned: when wait_for asks for an address
  type: list
  elements: dict
  sample: [{address: 10.0.20.11, prefix: 24, family: ipv4, interface: eth0, mac: "bc:24:11:00:00:01"}]
ansible_host:
  description: The address to reach the container by, of its first interface and IPv4 before IPv6. In check mode
    V((known after apply)).
  returned: when wait_for asks for an address
  type: str
  sample: 10.0.20.11
"""

from ansible_collections.steward.proxmox.plugins.module_utils._guest.planners import LXC
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(LXC)


if __name__ == "__main__":
    main()
