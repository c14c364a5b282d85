#!/usr/bin/env bash
# Makes a Debian 12 box for vagrant-libvirt, for tests where none can be fetched, and prints its path. As root.
# It is bare: the packages that the roles install lie in a repository inside it, so that it needs no network.
# Kept in the cache of the user, keyed by this file; the first time takes some two minutes.
#   MIRROR  where Debian comes from; without it, from where this machine's own does
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2016 # the words are apt's
mirror=${MIRROR:-$(apt-get indextargets '--format=$(RELEASE) $(COMPONENT) $(REPO_URI)' |
    awk '$1 == "bookworm" && $2 == "main" && $3 ~ /^http/ {print $3; exit}')}
key=$(sha256sum <"$here/box.sh" | head -c 16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/posthouse
box=$cache/vagrant-$key.box

# What a usual box has, by the ways that it has it: ifupdown, sudo, rsync.
system=(systemd systemd-sysv dbus udev ifupdown isc-dhcp-client iproute2 openssh-server sudo rsync
    ca-certificates python3 linux-image-cloud-amd64 initramfs-tools)
# What roles/ and provision.sh install.
offered=(certbot nftables nginx postgresql postgresql-client python3-apt python3-venv systemd-timesyncd)
disk_mb=6144

if [[ -f $box ]]; then
    echo "$box"
    exit
fi
if ((EUID != 0)); then
    echo "Making a box takes root: its files belong to many users." >&2
    exit 1
fi
"$here/../apt-need.sh" "the box" apt-utils debootstrap e2fsprogs fdisk grub-pc-bin qemu-utils vagrant >&2

mkdir -p "$cache"
work=$(mktemp -d "$cache/box.XXXXXX")
clean_up() {
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
root=$work/root

say() {
    echo "$*" >&2
}

say "Making a Debian 12 for the box"
debootstrap --variant=minbase --include="$(IFS=, && echo "${system[*]}")" bookworm "$root" "$mirror" \
    >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
}

say "Fetching the packages that the roles install"
# By this machine's apt, with its ways out, for the root's state.
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$root/srv/packages"
echo "deb $mirror bookworm main" >"$work/apt/sources.list"
apt=(apt-get --quiet --quiet
    --option "Dir::Etc::SourceList=$work/apt/sources.list" --option Dir::Etc::SourceParts=/dev/null
    --option "Dir::State::Lists=$work/apt/lists" --option "Dir::State::Status=$root/var/lib/dpkg/status"
    --option "Dir::Cache=$work/apt/cache" --option APT::Sandbox::User=root --option Debug::NoLocking=true)
"${apt[@]}" update >&2
"${apt[@]}" --yes --no-install-recommends --download-only install "${offered[@]}" >&2
mv "$work/apt/cache/archives"/*.deb "$root/srv/packages/"
(cd "$root/srv/packages" && apt-ftparchive packages . >Packages)
echo 'deb [trusted=yes] file:/srv/packages ./' >"$root/etc/apt/sources.list"

say "Making it a box"
cat >"$root/etc/network/interfaces" <<'END'
auto lo
iface lo inet loopback
auto eth0
iface eth0 inet dhcp
END
echo 'LABEL=posthouse / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
echo LANG=C.UTF-8 >"$root/etc/default/locale"
echo bookworm >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 bookworm\n' >"$root/etc/hosts"
echo 'UseDNS no' >>"$root/etc/ssh/sshd_config"
chroot "$root" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
# The key that every box has and that `vagrant up` replaces.
install --directory --mode=0700 "$root/home/vagrant/.ssh"
install --mode=0600 "$(dpkg --listfiles vagrant | grep '/keys/vagrant.pub$')" "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown --recursive vagrant: /home/vagrant/.ssh
rm -f "$root/var/cache/apt/archives"/*.deb "$root/etc/machine-id" "$root/var/lib/dbus/machine-id"
: >"$root/etc/machine-id"

# A disk without mounting one: a partition from 1 MiB on, and the boot loader written before it.
truncate --size="${disk_mb}M" "$work/disk"
printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk --quiet "$work/disk"
mke2fs -q -t ext4 -L posthouse -O '^metadata_csum_seed' -d "$root" -E offset=1048576 \
    "$work/disk" "$((disk_mb - 1))M"
cat >"$work/grub.cfg" <<'END'
set root=(hd0,msdos1)
linux /vmlinuz root=LABEL=posthouse ro net.ifnames=0 mitigations=off console=ttyS0 quiet
initrd /initrd.img
boot
END
grub-mkimage --format=i386-pc --prefix='(hd0,msdos1)/boot/grub' --config="$work/grub.cfg" \
    --output="$work/core" biosdisk part_msdos ext2 linux
dd if=/usr/lib/grub/i386-pc/boot.img of="$work/disk" bs=440 count=1 conv=notrunc status=none
dd if="$work/core" of="$work/disk" bs=512 seek=1 conv=notrunc status=none

qemu-img convert -O qcow2 "$work/disk" "$work/box.img"
printf '{"provider": "libvirt", "format": "qcow2", "virtual_size": %d}\n' $((disk_mb / 1024)) >"$work/metadata.json"
tar --create --sparse --gzip --file="$work/box" --directory="$work" metadata.json box.img
mv "$work/box" "$box"
echo "$box"
