#!/bin/sh
# First process of the agent's system: mounts, drivers, then the agent, and the agent again should it ever end.
export PATH=/bin HOME=/ NODE_OPTIONS=

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t devtmpfs -o nosuid dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec pts /dev/pts
mount -t tmpfs -o nosuid,nodev run /run

say() { echo "<3>peerboot: $*" > /dev/kmsg; }

# Each pass can bring up a bus with new devices on it (virtio appears only after virtio_pci); stop when none is new.
aliases() { find /sys/devices -name modalias -exec cat {} + 2> /dev/null | sort -u; }
# Devices that come later (USB) are the business of mdev, which hears of them from the kernel.
mdev -d
before=
for pass in 1 2 3 4 5; do
  now=$(aliases)
  [ "$now" = "$before" ] && break
  echo "$now" | xargs modprobe -a -b -q 2> /dev/null
  before=$now
done

[ -d /sys/firmware/efi ] && mount -t efivarfs -o nosuid,nodev,noexec efivarfs /sys/firmware/efi/efivars

# On a till's serial line may hang a scale or a printer: what it says is no command.
is_wanted() {
  echo 'Type "shell" to open it on this line.'
  while read -r word; do [ "$word" = shell ] && return 0; done
  return 1
}

# Chosen on a menu that offers it, on each console; docs/security.md says why that opens no way that was shut.
if grep -qw peerboot.shell /proc/cmdline; then
  for console in $(cat /sys/class/tty/console/active); do
    [ "$console" = tty0 ] && console=tty1
    {
      printf '\n%s\n%s\n%s\n' "A shell in the agent's system: nothing is written unless you do it." \
        '  exit                      restarts the machine' \
        '  node /peerboot/agent.mjs  joins the network and asks the boot host what to do'
      [ "$console" = tty1 ] || is_wanted || exit
      PS1='peerboot# ' setsid -c sh -i
      reboot -f
    } < "/dev/$console" > "/dev/$console" 2>&1 &
  done
  wait
fi

wait=1
while :; do
  node /peerboot/agent.mjs < /dev/null > /dev/console 2>&1
  say "the agent ended with status $?; starting it again in $wait s"
  sleep $wait
  [ $wait -lt 30 ] && wait=$((wait * 2))
done
