#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm
version_added: "0.1.0"
short_description: Manage virtual machines of Proxmox VE
description:
  - Creates a VM from an image, an ISO, a backup, another VM or nothing, configures it, brings it to its node and its
    power state, and waits until it can be reached, in one task.
  - What the task does not mention stays. Options that hold several properties, such as O(net) and O(disks), are merged
    key by key, so a MAC address or a volume survives. Removing is explicit, by O(delete).
  - What a running VM cannot take over waits for its next start. Power, name, notes, tags, weights and limits of the CPU
    and the balloon never wait; interfaces, disks on scsi and virtio, and USB devices do not with the default of
    O(hotplug). The plan says what waits, and O(reboot_if_pending) ends it.
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
    details: The states V(restarted) and V(reset), O(force=true) with O(source.archive), and a password with
      O(cloud_init.update_password=always) act every time that the task runs.
options:
  name:
    description: Name of the VM. Without O(vmid) it says which VM is meant, and must be unique then; with O(vmid) the
      VM is renamed to it.
    type: str
  state:
    description:
      - V(present) leaves the power state alone.
      - V(started) starts the VM, and resumes one that is paused or hibernated.
      - V(stopped) powers it off at once, as pulling the plug does. What the operating system has not written is lost.
      - V(shutdown) asks the operating system to shut down and waits O(shutdown_timeout) seconds. The task fails if
        the VM still runs then; with O(force=true) it is powered off instead.
      - V(restarted) and V(reset) are verbs and act every time that the task runs. V(restarted) shuts down and starts
        again, and starts a VM that is off. V(reset) is the reset button.
      - V(paused) halts the VM and keeps its memory. V(hibernated) writes the memory to O(state_storage) and powers
        the VM off. Both are refused for a VM that does not run, and so is V(reset).
      - V(template) turns the VM into a template, for good. One that runs is shut down first.
      - V(absent) destroys the VM with its disks and snapshots. One that runs is refused unless O(force=true), and so
        is one that linked clones depend on. Backups stay.
      - A VM under HA is started and stopped through its HA state. The HA manager powers off one that does not shut
        down in time, with or without O(force).
    type: str
    default: present
    choices: [present, started, stopped, shutdown, restarted, absent, template, reset, paused, hibernated]
  source:
    description:
      - What a new VM is made from; without it, from nothing. The rest of the task is done to it as well, in the same
        task.
      - Where the VM exists this is ignored, so that the task can run again, unless O(force=true) with
        O(source.archive).
    type: dict
    suboptions:
      image:
        description: A disk image, such as a cloud image, which becomes a disk. The VM boots from it unless O(boot)
          says otherwise.
        type: dict
        suboptions:
          volid:
            description: Volume id of the image, for example V(local:import/debian-13.qcow2).
            type: str
            required: true
          slot:
            description: Where the disk is plugged in. An entry of O(disks) for this slot gives its size and other
              keys.
            type: str
            default: scsi0
          storage:
            description: Storage for the disk, unless O(disks) says it.
            type: str
          format:
            description: Format of the volume. The server's default is the storage's own.
            type: str
            choices: [raw, qcow2, vmdk]
      iso:
        description: An installation disc, which is put into a CD-ROM drive. The VM boots from its first disk, and
          from the disc while that is empty, unless O(boot) says otherwise.
        type: dict
        suboptions:
          volid:
            description: Volume id of the ISO image.
            type: str
            required: true
          slot:
            description: The drive. Without it, the first free one.
            type: str
      clone:
        description: Another VM to copy, on any node.
        type: dict
        suboptions:
          vmid:
            description: Id of the VM to copy.
            type: int
          name:
            description: Name of the VM to copy.
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
          format:
            description: Format of the volumes of a full copy.
            type: str
            choices: [raw, qcow2, vmdk]
      archive:
        description: A backup to restore, by O(source.archive.volid) or by storage and guest or name.
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
            description: Storage for the volumes, instead of those that they had.
            type: str
          live:
            description: Start the VM at once and restore while it runs (backups on a Proxmox Backup Server).
            type: bool
            default: false
      keep_identity:
        description: Keep the MAC addresses and the SMBIOS UUID of the archive, instead of new ones; of the origin of
          a clone, the MAC addresses. Two running VMs must not share them.
        type: bool
        default: false
  state_storage:
    description: Storage for the memory of a hibernated VM. Without it the server takes the one that the VM names, or
      one that holds its disks.
    type: str
  cores:
    description: Cores per socket. The server's default is 1.
    type: int
  sockets:
    description: CPU sockets. The server's default is 1.
    type: int
  vcpus:
    description: CPUs that are plugged in at the start, where not all of them shall be.
    type: int
  cpu:
    description: CPU model and its properties. Keys that are not given stay.
    type: dict
    suboptions:
      cputype:
        description: Model, for example V(host), V(x86-64-v2-AES) or V(custom-NAME). The server's default is V(kvm64).
        type: str
      flags:
        description: CPU flags with a sign, for example V(+aes). Exact, as a whole.
        type: list
        elements: str
      guest_phys_bits:
        description: Bits of physical addresses that the guest may use (PVE 9.0 and later).
        type: int
      hidden:
        description: Do not show that this is a virtual machine.
        type: bool
      hv_vendor_id:
        description: Vendor that Hyper-V enlightenments report.
        type: str
      level:
        description: Highest CPUID leaf that the guest sees (PVE 9.0 and later).
        type: int
      phys_bits:
        description: Bits of physical addresses that the CPU reports, a number or V(host).
        type: str
      reported_model:
        description: Model that the guest sees, for a custom one.
        type: str
  cpulimit:
    description: Limit of CPU time, in cores; V(0) is no limit.
    type: float
  cpuunits:
    description: CPU weight among the guests of a node. The server's default is 100.
    type: int
  affinity:
    description: Cores of the node that the VM may run on, for example V(0,5,8-11). Only root@pam may set it.
    type: str
  numa:
    description: Show the VM a NUMA topology. Needed to plug in memory.
    type: bool
  memory:
    description: Memory in MiB. The server's default is 512.
    type: int
  balloon:
    description: Least memory in MiB that the balloon leaves to the VM. V(0) switches the balloon off. Without it the
      VM keeps all of its memory and the balloon only reports.
    type: int
  shares:
    description: Weight among the VMs whose balloons share the memory of a node. The server's default is 1000.
    type: int
  hugepages:
    description: Use huge pages of this many MiB. Only root@pam may set it.
    type: str
    choices: [any, "2", "1024"]
  disks:
    description:
      - Disks and CD-ROM drives, by slot. Those that are not listed stay, and so do the keys of a listed one that are
        not given.
      - A new one is allocated with O(disks[].storage) and O(disks[].size), filled from an image with
        O(disks[].import_from), or attached by O(disks[].volume).
      - An existing one is never allocated again; another O(disks[].storage) moves it, and a larger O(disks[].size)
        grows it.
      - Which keys there are depends on the bus, O(disks[].wwn) and O(disks[].ssd) not for virtio, O(disks[].iothread)
        and O(disks[].ro) for scsi and virtio, O(disks[].model) for ide, and O(disks[].product), O(disks[].vendor),
        O(disks[].queues) and O(disks[].scsiblock) for scsi alone.
    type: list
    elements: dict
    suboptions:
      slot:
        description: Where it is plugged in, V(scsi0) to V(scsi30), V(virtio0) to V(virtio15), V(sata0) to V(sata5) or
          V(ide0) to V(ide3).
        type: str
        required: true
      state:
        description:
          - V(present) makes the volume as described.
          - V(detached) takes it out of the guest and keeps its data, as one of the C(unused) volumes.
          - V(absent) destroys it with its data.
        type: str
        default: present
        choices: [present, detached, absent]
      storage:
        description: Storage of a new disk. An existing one on another storage is moved to it, also while the VM runs.
        type: str
      size:
        description: Size, for example V(32G). A bare number counts GiB. An existing volume grows where this is
          larger; a smaller one is refused, as volumes cannot shrink. Not where O(disks[].volume) is attached anew.
        type: str
      format:
        description: Format of a new or moved volume, for example V(qcow2). The server's default is the storage's own.
        type: str
        choices: [raw, qcow, qed, qcow2, vmdk, cloop]
      volume:
        description: An existing volume to attach, or for a CD-ROM drive an ISO image or V(none). On a disk another
          volume than the one that is there is refused; the disc of a CD-ROM drive is changed. A path of the node is
          only allowed for root@pam.
        type: str
      import_from:
        description: Volume to fill a new disk from, for example V(local:import/debian-13.qcow2). A path of the node
          is only allowed for root@pam. Ignored where the disk exists.
        type: str
      media:
        description: ISO images need V(cdrom). The server's default is V(disk).
        type: str
        choices: [cdrom, disk]
      cache:
        description: Cache mode on the node.
        type: str
        choices: [none, writethrough, writeback, unsafe, directsync]
      aio:
        description: Kind of asynchronous I/O.
        type: str
        choices: [native, threads, io_uring]
      discard:
        description: V(on) passes the guest's trim on to the storage. The server's default is V(ignore).
        type: str
        choices: [ignore, "on"]
      detect_zeroes:
        description: Write zeroes as holes.
        type: bool
      ssd:
        description: Show the disk as a solid-state one.
        type: bool
      iothread:
        description: Give the disk a thread of its own; for scsi with O(scsihw) V(virtio-scsi-single).
        type: bool
      ro:
        description: Read-only.
        type: bool
      backup:
        description: Include the disk in backups. The server's default is V(true).
        type: bool
      replicate:
        description: Include the disk in storage replication. The server's default is V(true).
        type: bool
      shared:
        description: Every node has this volume, although its storage is not marked as shared.
        type: bool
      snapshot:
        description: Throw away what is written when the VM stops.
        type: bool
      serial:
        description: Serial number that the guest sees.
        type: str
      model:
        description: Model that the guest sees.
        type: str
      vendor:
        description: Vendor that the guest sees.
        type: str
      product:
        description: Product that the guest sees.
        type: str
      wwn:
        description: World wide name, for example V(0x5000c500a0b1c2d3).
        type: str
      queues:
        description: Queues of the disk.
        type: int
      scsiblock:
        description: Pass a device of the node through with all of its commands.
        type: bool
      rerror:
        description: What a read error does to the VM.
        type: str
        choices: [ignore, report, stop]
      werror:
        description: What a write error does to the VM; V(enospc) stops it where the storage is full, and reports
          other errors.
        type: str
        choices: [enospc, ignore, report, stop]
      bps:
        description: Limit in bytes per second, reads and writes together.
        type: int
      bps_max_length:
        description: Seconds that a burst above O(disks[].bps) may last.
        type: int
      bps_rd:
        description: Limit of reads in bytes per second.
        type: int
      bps_rd_max_length:
        description: Seconds that a burst of reads may last.
        type: int
      bps_wr:
        description: Limit of writes in bytes per second.
        type: int
      bps_wr_max_length:
        description: Seconds that a burst of writes may last.
        type: int
      iops:
        description: Limit in operations per second, reads and writes together.
        type: int
      iops_max:
        description: Operations per second that a burst may reach.
        type: int
      iops_max_length:
        description: Seconds that a burst above O(disks[].iops) may last.
        type: int
      iops_rd:
        description: Limit of reads in operations per second.
        type: int
      iops_rd_max:
        description: Reads per second that a burst may reach.
        type: int
      iops_rd_max_length:
        description: Seconds that a burst of reads above O(disks[].iops_rd) may last.
        type: int
      iops_wr:
        description: Limit of writes in operations per second.
        type: int
      iops_wr_max:
        description: Writes per second that a burst may reach.
        type: int
      iops_wr_max_length:
        description: Seconds that a burst of writes above O(disks[].iops_wr) may last.
        type: int
      mbps:
        description: Limit in MB per second, reads and writes together.
        type: float
      mbps_max:
        description: MB per second that a burst may reach.
        type: float
      mbps_rd:
        description: Limit of reads in MB per second.
        type: float
      mbps_rd_max:
        description: MB per second that a burst of reads may reach.
        type: float
      mbps_wr:
        description: Limit of writes in MB per second.
        type: float
      mbps_wr_max:
        description: MB per second that a burst of writes may reach.
        type: float
  efidisk:
    description: The small volume that holds the variables of UEFI. Keys that are not given stay.
    type: dict
    suboptions:
      state:
        description:
          - V(present) makes the volume as described.
          - V(detached) takes it out of the guest and keeps its data, as one of the C(unused) volumes.
          - V(absent) destroys it with its data.
        type: str
        default: present
        choices: [present, detached, absent]
      storage:
        description: Storage of a new one. An existing one on another storage is moved.
        type: str
      volume:
        description: An existing volume to attach.
        type: str
      format:
        description: Format of the volume.
        type: str
        choices: [raw, qcow, qed, qcow2, vmdk, cloop]
      efitype:
        description: V(4m) for new VMs, V(2m) for old ones. The server's default is V(2m).
        type: str
        choices: [2m, 4m]
      pre_enrolled_keys:
        description: Start with the keys for Secure Boot. The server's default is V(false).
        type: bool
      ms_cert:
        description: Microsoft certificates that are enrolled (PVE 9.0 and later). The server's default is V(2011).
        type: str
        choices: ["2011", "2023", 2023w, 2023k]
      import_from:
        description: Volume to fill a new one from.
        type: str
      size:
        description: The server knows the size of a new one; this is ignored there.
        type: str
  tpmstate:
    description: The small volume that holds the state of a TPM. Keys that are not given stay.
    type: dict
    suboptions:
      state:
        description:
          - V(present) makes the volume as described.
          - V(detached) takes it out of the guest and keeps its data, as one of the C(unused) volumes.
          - V(absent) destroys it with its data.
        type: str
        default: present
        choices: [present, detached, absent]
      storage:
        description: Storage of a new one. An existing one on another storage is moved.
        type: str
      volume:
        description: An existing volume to attach.
        type: str
      format:
        description: Format of the volume (PVE 9.0 and later).
        type: str
        choices: [raw, qcow2, vmdk]
      version:
        description: Version of the TPM. The server's default is V(v1.2).
        type: str
        choices: [v1.2, v2.0]
      import_from:
        description: Volume to fill a new one from.
        type: str
      size:
        description: The server knows the size of a new one; this is ignored there.
        type: str
  scsihw:
    description: SCSI controller. V(virtio-scsi-single) is the fast one. The server's default is V(lsi).
    type: str
    choices: [lsi, lsi53c810, megasas, pvscsi, virtio-scsi-pci, virtio-scsi-single]
  boot:
    description: Devices to boot from, in this order, for example V([scsi0, net0]). Exact.
    type: list
    elements: str
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
      model:
        description: Model of the card. A new interface is V(virtio).
        type: str
        choices: [e1000, e1000-82540em, e1000-82544gc, e1000-82545em, e1000e, i82551, i82557b, i82559er, ne2k_isa,
          ne2k_pci, pcnet, rtl8139, virtio, vmxnet3]
      bridge:
        description: Bridge or VNet to connect to.
        type: str
      macaddr:
        description: MAC address. The server chooses one for a new interface.
        type: str
      tag:
        description: VLAN tag.
        type: int
      trunks:
        description: VLAN ids and ranges that pass, for example V([10, 20-30]). Exact.
        type: list
        elements: str
      mtu:
        description: Maximum transfer unit of a virtio card; V(1) takes the one of the bridge.
        type: int
      queues:
        description: Packet queues of a virtio card.
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
  cloud_init:
    description:
      - What cloud-init sets up in the guest. What is not given stays.
      - A running guest sees changes at its next start.
    type: dict
    suboptions:
      slot:
        description: Where the drive with cloud-init's data is plugged in.
        type: str
        default: ide2
      storage:
        description: Storage for the drive with cloud-init's data. A VM that has the drive keeps it; one without needs
          this. With O(source.image) it goes beside that disk by default.
        type: str
      user:
        description: User to set up instead of the image's own.
        type: str
      password:
        description: Password of that user. The server never shows it, so by default it is only set where none is set
          yet.
        type: str
      update_password:
        description: V(always) sets the password every time that the task runs, which then is always a change;
          V(on_create) only where none is set.
        type: str
        default: on_create
        choices: [on_create, always]
      ssh_keys:
        description: SSH public keys of that user. Exact.
        type: list
        elements: str
      ip:
        description: Addresses, by interface. Interfaces that are not listed stay, and so do keys that are not given.
        type: list
        elements: dict
        suboptions:
          slot:
            description: V(ipconfig0) for the interface V(net0), and so on to V(ipconfig31).
            type: str
            required: true
          ip:
            description: IPv4 address in CIDR notation, or V(dhcp).
            type: str
          gw:
            description: IPv4 gateway. Needs an address.
            type: str
          ip6:
            description: IPv6 address in CIDR notation, V(dhcp) or V(auto).
            type: str
          gw6:
            description: IPv6 gateway. Needs an address.
            type: str
      nameserver:
        description: DNS servers. Exact, in order.
        type: list
        elements: str
      searchdomain:
        description: DNS search domains. Exact, in order.
        type: list
        elements: str
      type:
        description: Format of the data. The server's default depends on O(ostype).
        type: str
        choices: [configdrive2, nocloud, opennebula]
      upgrade:
        description: Upgrade packages at the first boot. The server's default is V(true).
        type: bool
      custom:
        description: Files that take the place of the generated ones, as volume ids of snippets.
        type: dict
        suboptions:
          meta:
            description: Meta data.
            type: str
          network:
            description: Network configuration.
            type: str
          user:
            description: User data.
            type: str
          vendor:
            description: Vendor data.
            type: str
  agent:
    description: The QEMU guest agent. O(wait_for) and consistent backups need it. Keys that are not given stay.
    type: dict
    suboptions:
      enabled:
        description: The agent is installed in the guest and to be used. The server's default is V(false).
        type: bool
      freeze_fs_on_backup:
        description: Freeze the file systems for a backup. The server's default is V(true).
        type: bool
      fstrim_cloned_disks:
        description: Trim after a disk was moved or the VM migrated.
        type: bool
      type:
        description: How the agent is reached. The server's default is V(virtio).
        type: str
        choices: [virtio, isa]
  ostype:
    description: Kind of operating system; V(l26) is Linux. The server's default is V(other).
    type: str
    choices: [other, wxp, w2k, w2k3, w2k8, wvista, win7, win8, win10, win11, l24, l26, solaris]
  bios:
    description: Firmware. The server's default is V(seabios); V(ovmf) is UEFI and wants an O(efidisk).
    type: str
    choices: [seabios, ovmf]
  machine:
    description: Machine type, for example V(q35), V(pc-q35-9.0) or V(q35,viommu=intel). The server's default is
      i440fx.
    type: str
  kvm:
    description: Use hardware virtualisation. The server's default is V(true).
    type: bool
  hotplug:
    description: >-
      What a running VM takes over at once: of V(network), V(disk), V(usb), V(cpu), V(memory) and V(cloudinit). Exact;
      V([]) is nothing. The server's default is V([network, disk, usb]).
    type: list
    elements: str
  pci:
    description: PCI devices of the node. Only root@pam may set one by O(pci[].host); others name a resource mapping
      in O(pci[].mapping). Devices that are not listed stay.
    type: list
    elements: dict
    suboptions:
      slot:
        description: The device, V(hostpci0) to V(hostpci15).
        type: str
        required: true
      mapping:
        description: Resource mapping of the cluster. Takes the place of O(pci[].host).
        type: str
      host:
        description: Addresses of the functions, for example V(0000:01:00). Exact; takes the place of
          O(pci[].mapping).
        type: list
        elements: str
      mdev:
        description: Type of the mediated device.
        type: str
      pcie:
        description: Show it as a PCI Express device. Needs a q35 machine.
        type: bool
      x_vga:
        description: It is the primary graphics card.
        type: bool
      rombar:
        description: Show the ROM of the device. The server's default is V(true).
        type: bool
      romfile:
        description: File with a ROM for the device, below the node's directory of ROMs.
        type: str
      driver:
        description: Driver on the node (PVE 9.0 and later). The server's default is V(vfio).
        type: str
        choices: [vfio, keep]
      legacy_igd:
        description: Pass an Intel graphics card through the old way.
        type: bool
      device_id:
        description: Device id that the guest sees, for example V(0x1234).
        type: str
      sub_device_id:
        description: Subsystem device id that the guest sees.
        type: str
      sub_vendor_id:
        description: Subsystem vendor id that the guest sees.
        type: str
      vendor_id:
        description: Vendor id that the guest sees.
        type: str
  usb:
    description: USB devices. Only root@pam may set a device of the node by O(usb[].host); others name V(spice) or a
      resource mapping. Devices that are not listed stay.
    type: list
    elements: dict
    suboptions:
      slot:
        description: The device, V(usb0) to V(usb13).
        type: str
        required: true
      host:
        description: Vendor and product (V(1234:5678)), bus and port (V(1-1.2)), or V(spice).
        type: str
      mapping:
        description: Resource mapping of the cluster. Takes the place of O(usb[].host).
        type: str
      usb3:
        description: It is a USB 3 device.
        type: bool
  serial:
    description: Serial ports. Those that are not listed stay.
    type: list
    elements: dict
    suboptions:
      slot:
        description: The port, V(serial0) to V(serial3).
        type: str
        required: true
      device:
        description: V(socket), which C(qm terminal) reaches, or a device of the node, which only root@pam may set.
        type: str
  virtiofs:
    description: Directories of the node that the guest can mount by virtio-fs. Those that are not listed stay.
    type: list
    elements: dict
    suboptions:
      slot:
        description: The share, V(virtiofs0) to V(virtiofs9).
        type: str
        required: true
      dirid:
        description: Directory mapping of the cluster. Needed for a new one.
        type: str
      cache:
        description: Cache mode. The server's default is V(auto).
        type: str
        choices: [auto, always, metadata, never]
      direct_io:
        description: Honour O_DIRECT of the guest.
        type: bool
      expose_acl:
        description: Pass POSIX ACLs on. Includes extended attributes.
        type: bool
      expose_xattr:
        description: Pass extended attributes on.
        type: bool
  vga:
    description: Graphics card. Keys that are not given stay.
    type: dict
    suboptions:
      clipboard:
        description: Share the clipboard with the console.
        type: str
        choices: [vnc]
      memory:
        description: Video memory in MiB.
        type: int
      type:
        description: Model. V(serial0) and the like use a serial port as the console. The server's default is V(std).
        type: str
        choices: [cirrus, none, qxl, qxl2, qxl3, qxl4, serial0, serial1, serial2, serial3, std, virtio, virtio-gl,
          vmware]
  audio:
    description: Sound card.
    type: dict
    suboptions:
      device:
        description: Model. Needed for a new one.
        type: str
        choices: [ich9-intel-hda, intel-hda, AC97]
      driver:
        description: Where the sound goes. The server's default is V(spice).
        type: str
        choices: [spice, none]
  rng:
    description: Source of random numbers for the VM. Only root@pam may set it.
    type: dict
    suboptions:
      max_bytes:
        description: Bytes in each period; V(0) is no limit. The server's default is 1024.
        type: int
      period:
        description: Length of the period in milliseconds. The server's default is 1000.
        type: int
      source:
        description: Device of the node. Needed for a new one.
        type: str
        choices: [/dev/urandom, /dev/random, /dev/hwrng]
  watchdog:
    description: A watchdog, which acts when the guest hangs.
    type: dict
    suboptions:
      action:
        description: What it does then.
        type: str
        choices: [reset, shutdown, poweroff, pause, debug, none]
      model:
        description: Model. Needed for a new one.
        type: str
        choices: [i6300esb, ib700]
  tablet:
    description: A USB tablet as pointer. The server's default is V(true).
    type: bool
  localtime:
    description: The clock of the VM shows local time. The server's default depends on O(ostype).
    type: bool
seealso:
  - module: steward.proxmox.lxc
  - module: steward.proxmox.snapshot
  - module: steward.proxmox.backup
  - module: steward.proxmox.guest_info
"""

EXAMPLES = r"""
# The connection comes from the environment (PROXMOX_HOST and others) or from module_defaults.

- name: A cloud image becomes a configured VM that answers
  steward.proxmox.vm:
    name: web1
    node: pve1
    state: started
    source:
      image:
        volid: local:import/debian-13-generic-amd64.qcow2
    disks:
      - slot: scsi0
        storage: local-lvm
        size: 32G
        ssd: true
        discard: "on"
    scsihw: virtio-scsi-single
    ostype: l26
    cores: 2
    memory: 4096
    cpu:
      cputype: x86-64-v2-AES
    net:
      - slot: net0
        bridge: vmbr0
        tag: 20
    cloud_init:
      user: admin
      ssh_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
      ip:
        - slot: ipconfig0
          ip: 10.0.20.11/24
          gw: 10.0.20.1
    agent:
      enabled: true
    tags: [web, production]
    onboot: true
    wait_for:
      network: 10.0.20.0/24
      timeout: 300

- name: A copy of a template, by name; a second run makes no other one
  steward.proxmox.vm:
    name: app1
    node: pve1
    state: started
    source:
      clone:
        name: debian-template
    net:
      - slot: net0
        tag: 30
    tags: [app]

- name: A linked clone, which shares the disks of its template
  steward.proxmox.vm:
    vmid: 210
    name: test1
    node: pve1
    state: started
    source:
      clone:
        name: debian-template
        full: false

- name: Restore the newest backup of VM 200 as another VM
  steward.proxmox.vm:
    vmid: 220
    name: web1-restored
    node: pve1
    source:
      archive:
        storage: local
        guest: 200
        restore_storage: local-lvm

- name: An empty VM with UEFI and a TPM, which boots an installation disc
  steward.proxmox.vm:
    vmid: 230
    name: win1
    node: pve1
    state: started
    source:
      iso:
        volid: local:iso/windows-server-2025.iso
    ostype: win11
    machine: q35
    bios: ovmf
    efidisk:
      storage: local-lvm
      efitype: 4m
      pre_enrolled_keys: true
    tpmstate:
      storage: local-lvm
      version: v2.0
    scsihw: virtio-scsi-single
    disks:
      - slot: scsi0
        storage: local-lvm
        size: 64G
        iothread: true
    net:
      - slot: net0
        bridge: vmbr0
    cores: 4
    memory: 8192

- name: Another VLAN for an interface; its MAC address, bridge and model stay
  steward.proxmox.vm:
    vmid: 200
    node: pve1
    net:
      - slot: net0
        tag: 40

- name: More memory, and the reboot that it takes
  steward.proxmox.vm:
    vmid: 200
    node: pve1
    memory: 8192
    reboot_if_pending: true

- name: Grow one disk, move another one and detach a third one
  steward.proxmox.vm:
    vmid: 200
    node: pve1
    disks:
      - slot: scsi0
        size: 64G
      - slot: scsi1
        storage: ceph
      - slot: scsi2
        state: detached

- name: Destroy the volume that was detached, and remove an interface and the VLAN of another one
  steward.proxmox.vm:
    vmid: 200
    node: pve1
    delete: [unused0, net1, net0.tag]

- name: Set the password of cloud-init's user now
  steward.proxmox.vm:
    vmid: 200
    node: pve1
    cloud_init:
      password: "{{ vault_web1_password }}"
      update_password: always

- name: A graphics card by its resource mapping
  steward.proxmox.vm:
    vmid: 230
    node: pve1
    pci:
      - slot: hostpci0
        mapping: gpu
        pcie: true

- name: What has no option of its own goes into config, by the API's names
  steward.proxmox.vm:
    vmid: 200
    node: pve1
    config:
      keyboard: de
      smbios1:
        manufacturer: Example
      numa0:
        cpus: [0-1]
        memory: 4096

- name: Move a VM to another node while it runs, its disks to another storage
  steward.proxmox.vm:
    vmid: 200
    node: pve2
    migrate:
      storage: local-zfs

- name: Grow a disk, which Proxmox cannot shrink again, with a snapshot to go back to
  steward.proxmox.vm:
    vmid: 200
    disks:
      - slot: scsi0
        size: 128G
    snapshot_before: risky

- name: Shut down cleanly, and pull the plug after five minutes
  steward.proxmox.vm:
    vmid: 200
    state: shutdown
    shutdown_timeout: 300
    force: true

- name: Save the memory to disk and switch off; state started brings it back
  steward.proxmox.vm:
    vmid: 210
    state: hibernated

- name: Make a template of a VM
  steward.proxmox.vm:
    vmid: 240
    state: template

- name: Destroy a VM, also when it runs, and take it out of all jobs
  steward.proxmox.vm:
    name: web1-restored
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
  description: Id of the VM.
  returned: when it exists or is planned
  type: int
node:
  description: Node of the VM.
  returned: when it exists or is planned
  type: str
config:
  description: The configuration, as the API returns it, with the changes that wait for the next start; in check mode
    as it would be, with values that only the server knows as V((known after apply)).
  returned: when it exists or is planned
  type: dict
pending:
  description: Keys of the configuration that the running VM takes over at its next start.
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
  description: The address to reach the VM by, of its first interface and IPv4 before IPv6. In check mode
    V((known after apply)).
  returned: when wait_for asks for an address
  type: str
  sample: 10.0.20.11
"""

from ansible_collections.steward.proxmox.plugins.module_utils._guest.planners import VM
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(VM)


if __name__ == "__main__":
    main()
