#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privileged_host
version_added: "0.1.0"
short_description: What only root on a node of Proxmox VE can do
description:
  - Runs on a node, over Ansible's own connection, and uses no API. What can be run there as root is one fixed table of
    commands with checked parameters; there is no option for a command.
  - A task names exactly one thing to do.
  - The result holds the plan, the same in check mode and for real. O(smart) and O(sensors) only read, in check mode as
    well, and never change anything.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.policy
requirements:
  - on the node, a login as root, or sudo 1.9.10 or later with the rules that the collection's role C(host_agent) writes
  - on the node, smartmontools for O(smart), lm-sensors for O(sensors)
options:
  golden_lxc:
    description:
      - Make a golden base, a stopped unprivileged container with C(nesting=1,keyctl=1), as Docker needs it. The API
        refuses keyctl to every token. A backup keeps both features, so that the M(steward.proxmox.lxc) module restores
        any number of copies with a token.
      - Where the container exists and has both, nothing is changed; what else differs is a warning. Where it exists
        and lacks them, the task fails. A container is never changed or destroyed.
    type: dict
    suboptions:
      vmid:
        description: Id of the container.
        type: int
        required: true
      template:
        description: Volume id of a container template, such as V(local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst).
        type: str
        required: true
      storage:
        description: Storage of the root file system.
        type: str
        required: true
      size:
        description: Size of the root file system. A bare number counts GiB.
        type: str
        default: 4G
      hostname:
        description: Host name. Without it, Proxmox VE writes V(CT) and the id.
        type: str
      description:
        description: Description, one line of words.
        type: str
      arch:
        description: Architecture. Without it, it is read from the template.
        type: str
        choices: [amd64, arm64, armhf, i386, riscv32, riscv64]
      cpulimit:
        description: How many cores it may keep busy. Without it, there is no limit.
        type: float
      cpuunits:
        description: Weight of its CPU time against other guests.
        type: int
      onboot:
        description: Start it with the node. Its copies take this over.
        type: bool
      startup:
        description: Order of starting and stopping.
        type: dict
        suboptions:
          order:
            description: Its place in the order.
            type: int
          up:
            description: Seconds to wait after its start.
            type: int
          down:
            description: Seconds to wait after its stop.
            type: int
      timezone:
        description: Time zone inside the container, such as V(Europe/Berlin), or V(host) for the node's.
        type: str
      cores:
        description: Number of cores. Without it, all of the node's.
        type: int
      memory:
        description: Memory in MiB. Without it, V(512).
        type: int
      swap:
        description: Swap in MiB. Without it, V(512).
        type: int
      nameserver:
        description: Addresses of DNS servers. Without it, the node's.
        type: list
        elements: str
      searchdomain:
        description: DNS search domain. Without it, the node's.
        type: str
      tags:
        description: Tags.
        type: list
        elements: str
      ostype:
        description: Type of the operating system. Without it, it is read from the template.
        type: str
        choices: [alpine, archlinux, centos, debian, devuan, fedora, gentoo, nixos, opensuse, ubuntu, unmanaged]
      net:
        description: Network interfaces.
        type: list
        elements: dict
        suboptions:
          slot:
            description: The interface, V(net0) to V(net9).
            type: str
            required: true
          name:
            description: Name inside the container. Without it, V(net0) is called V(eth0), and so on.
            type: str
          bridge:
            description: Bridge or VNet to connect to.
            type: str
          hwaddr:
            description: MAC address. The server chooses one.
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
            elements: str
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
          host_managed:
            description: The node sets the address, not the container's own network setup (PVE 9.0 and later).
            type: bool
  usb_mount:
    description:
      - Mount a file system on a USB stick or disk by its UUID, and make that last, or undo both. What C(findmnt) shows
        before and after counts, never the exit status of C(mount).
      - What is in the way is unmounted first, as steps of the plan that say why - the same file system mounted more
        than once, another stick, and what a stick left behind that was pulled while mounted. What is no file system of
        a device (a network share, a bind mount) is never unmounted; the task is refused.
      - Two devices with the same UUID are refused by their names.
    type: dict
    suboptions:
      uuid:
        description: UUID of the file system, as C(blkid) shows it.
        type: str
        required: true
      path:
        description:
          - Where to mount it, C(/mnt/usb/NAME) or C(/media/NAME), where the name has letters, digits, dashes and
            underscores.
          - It is made where it does not exist, and not removed. A symbolic link anywhere in it is refused.
        type: str
        required: true
      state:
        description:
          - V(present) mounts it. The stick has to be plugged in.
          - V(absent) unmounts it, and removes what this module wrote to make it last. Another stick at the path stays.
        type: str
        default: present
        choices: [present, absent]
      fstype:
        description: What file system it has to be. Without it, any of these.
        type: str
        choices: [btrfs, exfat, ext2, ext3, ext4, f2fs, ntfs3, vfat, xfs]
      options:
        description:
          - Exactly these, beside C(nosuid,nodev), which no mount of this module is without. Changed options are
            remounted.
          - Without it, they stay as they are.
        type: list
        elements: str
        choices: [noatime, noexec, ro, sync]
      persist:
        description:
          - What mounts it at each start of the node. V(fstab) is one line of C(/etc/fstab), V(systemd) a mount unit of
            its own. Everything else in both stays byte for byte as it is.
          - A line or unit for this path or UUID that this module did not write is refused with V(fstab) and V(systemd),
            and a warning otherwise.
          - V(none) removes what this module wrote. Without it, it stays.
        type: str
        choices: [none, fstab, systemd]
      nofail:
        description:
          - Whether the node starts without the stick. Without it, as it is, or V(true). Only where O(usb_mount.persist)
            is, or stays, V(fstab) or V(systemd).
          - It never hides the failure of a task.
        type: bool
      device_timeout:
        description: How many seconds the start waits for the stick. Without it, as it is, or V(10).
        type: int
  smart:
    description:
      - Read what disks say of their health, with C(smartctl) of the package smartmontools.
      - A disk that cannot be read is in the list RV(smart.unread), with the reason, and in a warning. It is never taken
        for a healthy one.
    type: dict
    suboptions:
      disks:
        description:
          - The disks to read, such as V(/dev/sda), V(/dev/nvme0), or a name in C(/dev/disk/by-id) or
            C(/dev/disk/by-path).
          - V(all) stands for those that C(smartctl --scan) finds, and the C(sd) and C(nvme) disks that it leaves out
            and the kernel has. Disks of a virtual machine (C(vd)) are not among them.
        type: list
        elements: str
        default: [all]
  sensors:
    description:
      - Read the temperatures, voltages and fans of the host, with C(sensors) of the package lm-sensors. It needs no
        root, and no rule of sudoers.
    type: dict
    suboptions:
      chips:
        description: Only these chips, by the names that RV(sensors.chips) has. Without it, all.
        type: list
        elements: str
  node:
    description: Name of this node in its cluster. Without it, the host's own short name.
    type: str
  runner:
    description:
      - How to become root. V(sudo) runs C(sudo -n) for each command that needs root. What changes something is asked of
        it first, in check mode as well, and refused where it is not allowed.
      - V(direct) runs the commands as the user that Ansible logs in as, which has to be root.
    type: str
    default: sudo
    choices: [sudo, direct]
  pct:
    description: Absolute path of C(pct).
    type: str
    default: /usr/sbin/pct
  timeout:
    description:
      - Seconds that a command may take that changes something, such as the creation of a container. One that takes
        longer is not stopped, and the task fails with an unknown outcome.
    type: int
    default: 600
  front_door:
    description: Set by the collection's own action plugin when the module runs on a target. A task cannot set it.
    type: raw
seealso:
  - module: steward.proxmox.lxc
  - module: steward.proxmox.backup
"""

EXAMPLES = r"""
- name: A golden base for containers that run Docker
  hosts: pve1
  gather_facts: false
  tasks:
    - name: Make the base, as root on the node
      steward.proxmox.privileged_host:
        golden_lxc:
          vmid: 9001
          template: local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst
          storage: local-zfs
          size: 8G
          hostname: golden-docker
          net:
            - slot: net0
              bridge: vmbr0
              ip: dhcp

    - name: Start it with a token from here on
      steward.proxmox.lxc:
        vmid: 9001
        state: started
      delegate_to: localhost

- name: Disks for backups that are plugged in on the node itself
  hosts: pve1
  gather_facts: false
  tasks:
    - name: Mount this week's disk, now and at each start
      steward.proxmox.privileged_host:
        usb_mount:
          uuid: 4e9f2bd6-8f1c-4d3b-9f0e-2f6f9c1a7b10
          path: /mnt/usb/backup
          options: [noatime, noexec]
          persist: fstab

    - name: Unmount it, so that it can be pulled
      steward.proxmox.privileged_host:
        usb_mount:
          uuid: 4e9f2bd6-8f1c-4d3b-9f0e-2f6f9c1a7b10
          path: /mnt/usb/backup
          state: absent

- name: How the disks and the temperatures of each node are
  hosts: nodes
  gather_facts: false
  tasks:
    - name: Read all disks, and fail where one fails or does not say how it is
      steward.proxmox.privileged_host:
        smart: {}
      register: health
      failed_when: health.smart.unread != [] or health.smart.disks | rejectattr('health', 'eq', 'passed') | list != []

    - name: Read two disks by the names that stay
      steward.proxmox.privileged_host:
        smart:
          disks:
            - /dev/disk/by-id/nvme-Samsung_SSD_980_PRO_1TB_S5GXNX0T123456
            - /dev/disk/by-id/ata-WDC_WD40EFRX-68N32N0_WD-WCC7K0123456

    - name: Read all sensors
      steward.proxmox.privileged_host:
        sensors: {}
      register: warmth
      failed_when: warmth.sensors.alarms != []
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
vmid:
  description: Id of the container.
  returned: with O(golden_lxc)
  type: int
node:
  description: Name of this node.
  returned: with O(golden_lxc)
  type: str
config:
  description:
    - The configuration, as the API returns it; in check mode as it would be, with values that only the server knows
      as V((known after apply)).
  returned: with O(golden_lxc)
  type: dict
usb_mount:
  description: The mount, in check mode as it would be.
  returned: with O(usb_mount)
  type: dict
  contains:
    uuid:
      description: UUID of the file system.
      type: str
    path:
      description: Where it is, or was, mounted.
      type: str
    mounted:
      description: Whether it is mounted there.
      type: bool
    source:
      description: The device, or none where it is not mounted.
      type: str
    fstype:
      description: The file system, or none where it is not mounted.
      type: str
    options:
      description: Those of the mount's options that this module knows.
      type: list
      elements: str
    persist:
      description: What mounts it at each start of the node, V(none), V(fstab) or V(systemd).
      type: str
smart:
  description: The disks.
  returned: with O(smart)
  type: dict
  contains:
    disks:
      description: Those that were read.
      type: list
      elements: dict
      contains:
        device:
          description: The disk, as it was named or found.
          type: str
        model:
          description: Its model.
          type: str
        serial:
          description: Its serial number.
          type: str
        health:
          description:
            - V(passed), V(failing), or V(unknown) where the disk does not say.
          type: str
        reasons:
          description: All that speaks against the disk, or against knowing that it is well, in words.
          type: list
          elements: str
        exit_status:
          description: The exit status of C(smartctl), whose bits are findings.
          type: int
        bits:
          description:
            - These bits by name, V(command), V(failing), V(prefail), V(was_prefail), V(error_log), V(self_test_log).
          type: list
          elements: str
        temperature:
          description: Temperature in degrees Celsius.
          type: int
        power_on_hours:
          description: Hours that it has been on.
          type: int
        wear:
          description: Percent of its life that it has used, for disks that say so.
          type: int
        failed_attributes:
          description: The attributes of an ATA disk that fail, or have failed.
          type: list
          elements: dict
        document:
          description: All that C(smartctl -a -j) printed.
          type: dict
    unread:
      description: Those that could not be read, with C(device) and C(why).
      type: list
      elements: dict
sensors:
  description: The sensors.
  returned: with O(sensors)
  type: dict
  contains:
    chips:
      description:
        - Chip, feature, value, as C(sensors -j) prints them. Empty on a host without sensors. A value that is not a
          number is null.
      type: dict
    alarms:
      description:
        - What is alarming, with C(sensor), C(what), C(value) and C(limit). A chip gave an alarm or reports a fault, or
          a value has reached its limit C(crit) or C(emergency).
      type: list
      elements: dict
    unread:
      description: What gave no value, or does not exist.
      type: list
      elements: str
sudoers:
  description: The lines of sudoers that allow what was refused, and what belongs to it.
  returned: when sudo refused
  type: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(PRIVILEGED_HOST)


if __name__ == "__main__":
    main()
