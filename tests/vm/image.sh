#!/bin/sh
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes a Debian system as Proxmox VE 9 has it underneath (trixie), in the empty folder $2; from it kernel, initrd, disks
# and known_hosts in the folder $1. The key $1/key.pub opens it for root, and for `ansible`, a user who may do nothing.
set -eu
place=$1 root=$2
chmod 755 "$root" # apt reads it as a user of its own

# Only what the disk needs: under emulation each module of the initrd costs time at boot.
early=$place/early.sh
cat >"$early" <<'END'
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
echo MODULES=list >"$1/etc/initramfs-tools/conf.d/vm"
printf '%s\n' virtio_pci virtio_blk ext4 >"$1/usr/share/initramfs-tools/modules.d/vm"
END

late=$place/late.sh
cat >"$late" <<'END'
echo node >"$1/etc/hostname"
echo '127.0.0.1 localhost node' >"$1/etc/hosts"
echo '/dev/vda / ext4 defaults 0 1' >"$1/etc/fstab"
printf '%s\n' '[Match]' 'Name=en*' '[Network]' 'Address=10.0.2.15/24' >"$1/etc/systemd/network/vm.network"
chroot "$1" systemctl --quiet enable systemd-networkd
# Timers would all be due at once when a snapshot of last month is told the time.
chroot "$1" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    fstrim.timer systemd-tmpfiles-clean.timer systemd-networkd-wait-online.service smartmontools.service
chroot "$1" useradd --create-home --shell /bin/sh ansible
for home in root home/ansible; do
    install -d -m 700 "$1/$home/.ssh"
    install -m 600 "$place/key.pub" "$1/$home/.ssh/authorized_keys"
done
chroot "$1" chown -R ansible: /home/ansible
rm -rf "$1/var/lib/apt/lists" "$1/var/cache/apt"
END

export place
mmdebstrap --quiet --mode=root --variant=minbase \
    --include=systemd-sysv,dbus,udev,openssh-server,sudo,smartmontools,lm-sensors,e2fsprogs,dosfstools,python3,linux-image-amd64 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --extract-hook="sh -eu '$early' \"\$1\"" --customize-hook="sh -eu '$late' \"\$1\"" \
    trixie "$root"

cp "$root"/boot/vmlinuz-* "$place/kernel"
cp "$root"/boot/initrd.img-* "$place/initrd"
awk '{print "node", $1, $2}' "$root"/etc/ssh/ssh_host_ed25519_key.pub >"$place/known_hosts"
truncate --size=3G "$place/root.img"
mkfs.ext4 -q -d "$root" "$place/root.img"
qemu-img convert -O qcow2 "$place/root.img" "$place/root.qcow2"
qemu-img create -q -f qcow2 "$place/ata.qcow2" 64M
rm "$place/root.img" "$early" "$late"
