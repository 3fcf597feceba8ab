// The part of the one table of error codes that is about machines: imaging them, approving them, naming them.
import type { ErrorEntry } from './error-table.ts';

export const MACHINE_ERRORS = {
  // Imaging a target
  'PB-DISK-AMBIGUOUS': {
    means: 'Several disks of the target could take the image, and the plan does not say which',
    remedy: 'Assign the image again and name the disk by its name, model or serial (`--disk`).',
  },
  'PB-DISK-BUSY': {
    means: 'The disk is in use by the running system',
    remedy: 'Restart the target from the network, so that nothing holds the disk.',
  },
  'PB-DISK-NO-MATCH': {
    means: 'No disk of the target has the name, model or serial that the plan names',
    remedy: 'Assign the image again with one of the disks named in the message.',
  },
  'PB-DISK-NONE': {
    means: 'The target has no disk that the agent can see',
    remedy: 'Check the cable and the storage mode in the firmware setup (AHCI or NVMe rather than RAID).',
  },
  'PB-DISK-NOT-BLANK': {
    means: 'The disk holds data, and the plan does not permit to overwrite it',
    remedy:
      'If the data may go, assign the image again with `--allow-non-blank`; the target goes on by itself.',
  },
  'PB-DISK-READ-BACK': {
    means: 'What was read back from the disk is not what was written',
    remedy: 'Replace the disk, or its cable, and boot from the network again.',
  },
  'PB-DISK-READ-ONLY': {
    means: 'The disk is write-protected',
    remedy: 'Remove the write protection, or fit another disk.',
  },
  'PB-DISK-REMOVABLE': {
    means: 'The only disks are removable: USB sticks and cards are never overwritten',
    remedy: 'Fit an internal disk, or check the storage mode in the firmware setup.',
  },
  'PB-DISK-SECTOR-SIZE': {
    means: 'The disk has sectors of another size than the image was made for',
    remedy: "Switch the disk to 512-byte sectors (512e) with its maker's tool, or fit another disk.",
  },
  'PB-DISK-TOO-SMALL': {
    means: 'The disk is smaller than the image',
    remedy: 'Fit a larger disk, or assign a smaller image.',
  },
  'PB-DISK-WRITE': {
    means: 'The disk failed while it was being written or read',
    remedy: 'Replace the disk, or its cable, and boot from the network again.',
  },
  'PB-IMAGE-FIRMWARE': {
    means: 'The image does not boot on firmware of this kind; nothing was written',
    remedy:
      'Assign an image for this kind of machine. If it does boot there, publish it as a new version with `--firmware`; if the machine only starts in BIOS mode, set its firmware to UEFI.',
  },
  'PB-IMAGE-INCONSISTENT': {
    means: 'The published image contradicts itself: its tables, chunks and slices do not fit together',
    remedy: 'Publish the image again as a new version and assign that.',
  },
  'PB-IMAGE-IS-PACKAGE': {
    means: 'A machine was to be imaged with a package, which is files for endpoints and no disk',
    remedy: 'Assign an image (`peerboot images --kind image`); fetch the package with `peerboot fetch`.',
  },
  'PB-IMAGE-UNKNOWN': {
    means: 'The signed catalogue has no image of the name and version that the plan names',
    remedy: 'Publish that version, or assign one of the images named in the message.',
  },
  'PB-IMAGE-UNSIGNED': {
    means:
      'The image boots by a program without a signature, and the machine enforces Secure Boot; nothing was written',
    remedy:
      'Assign an image whose program in `EFI/BOOT` is signed (docs/images.md), or turn Secure Boot off in the firmware of the machine. If the firmware has been told to believe that very program, publish the image as a new version with `--firmware`.',
  },
  'PB-NETWORK-DOWN': {
    means: 'No network card of the target got an address',
    remedy: 'Check the cable, the switch port and the DHCP server; the target tries again by itself.',
  },
  'PB-PEER-NOT-FOUND': {
    means: 'The agent was not told where its peer is, and none answers its search',
    remedy:
      'Check that `peerboot up` runs on a boot host of this network; across a router, a DHCP relay must forward to it. The target asks again by itself.',
  },
  'PB-PEER-SILENT': {
    means: 'The peer does not answer the agent',
    remedy:
      'Check that `peerboot up` runs on the peer named on the screen; the target tries again by itself.',
  },
  // Boot entries and menus
  'PB-BOOT-ENTRY-FAILED': {
    means: 'A boot entry could not be loaded or did not start (shown by its script)',
    remedy:
      'Look at what stands above it on the screen, and in the log of the peer; then choose again, or start with another one.',
  },
  'PB-BOOT-ENTRY-INVALID': {
    means: 'The files and flags do not make a boot entry',
    remedy: 'Correct what the message names; docs/menus.md has an example for each way to boot.',
  },
  'PB-BOOT-ENTRY-UNKNOWN': {
    means: 'The signed catalogue has no boot entry, or no such file of one',
    remedy:
      'Publish it with `--kind boot-entry`, or name one that `peerboot images --kind boot-entry` shows.',
  },
  'PB-BOOT-ENTRY-WAITS': {
    means: 'The files of a boot entry are not at the peer yet (shown by its script)',
    remedy:
      'Wait: the machine asks again by itself. If it lasts, see whether the WAN is paused (`peerboot site`) or the origins are down.',
  },
  // Machines, approval and names
  'PB-APPROVE-IMAGE': {
    means: 'It is not clear which image the approved machine shall get',
    remedy: 'Name it: `peerboot approve <code> --image <name>`; `peerboot images` shows what there is.',
  },
  'PB-CODE-GUESSED': {
    means: 'Too many wrong codes or PINs came within a minute',
    remedy: "Wait a minute, then type the code that stands on the machine's screen now.",
  },
  'PB-CODE-UNKNOWN': {
    means: 'No machine that waits for approval shows this code now',
    remedy:
      "Read the code on the machine's screen again: each is good for one approval and 15 minutes (`peerboot machines --waiting`).",
  },
  'PB-LIST-INVALID': {
    means: 'The list of machines has lines that cannot be read, so nothing of it was taken',
    remedy: 'Correct the lines that the message names and run the same command again.',
  },
  'PB-MACHINES-FULL': {
    means: 'This peer remembers as many imaged machines as it may, and will not forget one by itself',
    remedy: 'Forget machines that are gone: `peerboot forget <machine>`.',
  },
  'PB-NAME-TAKEN': {
    means: 'No name can be made from the template that no other machine of the site has',
    remedy: 'Put a number into the template (`--name till-{nn}`), or choose another name.',
  },
  'PB-PIN-WRONG': {
    means: 'The PIN is wrong, used up or expired',
    remedy: 'Get a new one on the peer: `peerboot pin`.',
  },
} as const satisfies Record<string, ErrorEntry>;
