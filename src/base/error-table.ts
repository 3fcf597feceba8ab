// The one table of error codes: what each means and the one thing to do. docs/errors.md is printed from it.

import { MACHINE_ERRORS } from './error-table-machines.ts';

export interface ErrorEntry {
  /** One sentence without a full stop: what went wrong. */
  readonly means: string;
  /** One imperative sentence: what the reader does about it. */
  readonly remedy: string;
}

/** Codes by subject, a comment line before each subject; keep each subject's rows sorted. */
export const ERROR_TABLE = {
  // Starting up and configuration
  'PB-ADDRESS-REFUSED': {
    means: 'The system did not let an interface have the address of an emulated machine',
    remedy: 'Run as root (CAP_NET_ADMIN), with the program `ip` of iproute2 installed.',
  },
  'PB-CONFIG-INVALID': {
    means: 'The configuration has an unknown key or a value of the wrong form',
    remedy:
      'Correct the key named in the message; `peerboot config show --origin` tells where each value came from.',
  },
  'PB-CLOCK-DOUBTFUL': {
    means: 'The clock of this machine may be wrong, and catalogues expire by it',
    remedy: 'Set the clock, best by a time service (`timedatectl set-ntp true`).',
  },
  'PB-DEMO-MISSING': {
    means: 'The demo is part of a checkout only',
    remedy: 'Clone the repository and run `npm ci && npm run demo` there.',
  },
  'PB-DHCP-COMPETES': {
    means: 'The DHCP server of this network itself tells machines what to boot',
    remedy:
      'Remove options 60, 66 and 67 and the boot file from that DHCP server: UEFI prefers them to ours.',
  },
  'PB-DHCP-FULL': {
    means: 'Addresses cannot be given as the configuration says',
    remedy:
      'With `--dhcp full` name one interface (`--interface`), and a `dhcpRange` within its subnet. On a network with a DHCP server leave it out.',
  },
  'PB-DHCP-SERVED': {
    means: 'Another DHCP server gives addresses on this network, so this peer does not',
    remedy:
      'Nothing, if that server belongs here: machines boot all the same. Else switch it off; this peer looks again every minute.',
  },
  'PB-DHCP-SILENT': {
    means: 'No DHCP server was heard, so machines would get no address',
    remedy: 'Check the cable and that the DHCP server of this network runs.',
  },
  'PB-INTERFACE-UNKNOWN': {
    means: 'A network interface to answer on is not there, or has no IPv4 address',
    remedy: 'Name one of the interfaces in the message (`--interface`), or give it an address first.',
  },
  'PB-LINUX-ONLY': {
    means: 'This command needs what only Linux has',
    remedy: 'Run it on a Linux machine of the same network.',
  },
  'PB-MACHINES-DAMAGED': {
    means: 'The memory of machines and assignments cannot be read',
    remedy:
      'Restore the file named in the message from a backup, or move it away: then check the assignments before you start again, for every machine counts as new.',
  },
  'PB-PEER-DOWN': {
    means: 'No peer answers at this address',
    remedy:
      'Start it with `peerboot up` (or `systemctl start peerboot`), or name another one with `--peer http://<address>:8067`.',
  },
  'PB-PEER-UNKNOWN': {
    means: 'The site has no such peer',
    remedy:
      'See `peerboot site` for the names, addresses and ids of its peers; a name may have `*` in it, and `tag:<word>` means all that have the tag.',
  },
  'PB-PORT-DENIED': {
    means: 'The system does not let this user open a port below 1024',
    remedy: 'Run as root, or give the process CAP_NET_BIND_SERVICE (the systemd unit in packaging/ does).',
  },
  'PB-PORT-IN-USE': {
    means: 'Another program already holds a port that Peerboot needs',
    remedy: 'Stop that program (`ss -ulnp` names it) or choose another port in the configuration.',
  },
  // Content and sources
  'PB-CHUNK-CORRUPT': {
    means: 'Bytes do not have the digest they are named by',
    remedy:
      'Nothing to do once: the bytes were dropped and another source is asked. If it persists, publish the image again.',
  },
  'PB-CHUNK-MISSING': {
    means: 'No source has this chunk',
    remedy: 'Check that the origin holds the whole published tree, then retry.',
  },
  'PB-SOURCE-FAILED': {
    means: 'A source could not be reached, stalled, or answered wrongly',
    remedy: 'Check the address and the network path to the source named in the message.',
  },
  'PB-STORE-FAILED': {
    means: 'The chunk store could not read from or write to its disk',
    remedy: 'Check the disk under the state folder (`dmesg`); what was not kept is fetched again.',
  },
  'PB-STORE-FULL': {
    means: 'The chunk store has no room, and nothing that may be evicted',
    remedy:
      'Free space on the disk, raise the quota, or assign fewer images; chunks are still served, but not kept.',
  },
  'PB-STORE-LOCKED': {
    means: 'Another process has the chunk store open',
    remedy: 'Stop the other peerboot on this machine, or give this one its own state folder.',
  },
  // Asking a peer by HTTP, and the scripts on a target's screen
  'PB-ADMIN-FORBIDDEN': {
    means: 'Administration was asked for from a place where it is not allowed',
    remedy: 'Run the command on the peer itself, or give it the admin token of that peer.',
  },
  'PB-AGENT-FAILED': {
    means: 'The agent failed and did not say why',
    remedy: "Read the target's own screen, then boot it from the network again.",
  },
  'PB-BOOT-FILES-UNREACHABLE': {
    means: 'The target could not load the kernel or the agent from the peer',
    remedy:
      'Check that `peerboot up` runs on the peer and that no firewall closes its HTTP port; the target asks again by itself.',
  },
  'PB-HTTP-BUSY': {
    means: 'The peer already serves as many of these requests as it can',
    remedy: 'Wait until others have ended, then ask again.',
  },
  'PB-HTTP-INTERNAL': {
    means: 'Peerboot has met a state that its writers did not foresee',
    remedy: 'Report it with the lines of the log around it; the service goes on.',
  },
  'PB-HTTP-NOT-FOUND': {
    means: 'There is nothing at this address of the peer',
    remedy: 'Check the address; docs/protocol.md has them all.',
  },
  'PB-LOCAL-BOOT-FAILED': {
    means: 'The target was sent to its own disk, and that disk does not boot',
    remedy: 'Assign an image to the machine, or repair the system on its disk.',
  },
  'PB-REQUEST-INVALID': {
    means: 'A request to the peer has the wrong form',
    remedy: 'Correct the field named in the message; agent and peer may be of different versions.',
  },
  'PB-SCRIPT-UNREACHABLE': {
    means: "The target's iPXE got no script from the peer",
    remedy:
      'Check that `peerboot up` runs on the peer and that no firewall closes its HTTP port; the target asks again by itself.',
  },
  // Publishing
  'PB-IMAGE-NAME': {
    means: 'The name or version of an image has characters that paths, URLs or screens cannot carry',
    remedy:
      'Use 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit; names are in lower case.',
  },
  'PB-IMAGE-UNREADABLE': {
    means: 'The file is no disk image that can be published',
    remedy: 'Give a raw or qcow2 disk image; `qemu-img convert -O raw` makes one of most others.',
  },
  'PB-TREE-BUSY': {
    means: 'Another publication into the same tree is under way',
    remedy: 'Wait until it has ended, then run the same command again.',
  },
  'PB-TREE-DAMAGED': {
    means: 'The published tree lacks content that its catalogue names, or has it damaged',
    remedy: 'Restore the tree from its copy at the origin, or publish into a new folder with the same keys.',
  },
  'PB-TREE-FAILED': {
    means: 'The published tree could not be written',
    remedy:
      'Free space or mend the disk named in the message, then run the same command again: it goes on where it was.',
  },
  'PB-VERSION-EXISTS': {
    means: 'This version of the image is published already, and a published version never changes',
    remedy: 'Publish the image under a new --version.',
  },
  // Packages: publishing and fetching files
  'PB-FETCH-BUSY': {
    means: 'Another fetch into the same place is under way',
    remedy: 'Wait until it has ended, or fetch to another path.',
  },
  'PB-PACKAGE-CHANGED': {
    means: 'A file changed while it was being published',
    remedy: 'Stop what writes there, or publish a copy, and run the same command again.',
  },
  'PB-PACKAGE-DIFFERS': {
    means: 'What lies there is not what was fetched',
    remedy: 'Fetch the package again with `--replace`.',
  },
  'PB-PACKAGE-ENTRY': {
    means: 'The folder holds something that a package cannot carry',
    remedy:
      'Move what the message names away, or publish a copy without it: only files, folders, and relative links that stay within travel.',
  },
  'PB-PACKAGE-EXISTS': {
    means: 'Something lies where the package is to be put',
    remedy: 'Choose another path, or permit to replace it with `--replace`.',
  },
  'PB-PACKAGE-NO-RECEIPT': {
    means: 'There is no receipt that says what was fetched to this path',
    remedy: 'Name the path that was given to `peerboot fetch`, or fetch the package again.',
  },
  'PB-PACKAGE-UNKNOWN': {
    means: 'The signed catalogue has no package of this name and version',
    remedy: 'Publish it with `--kind package`, or name one that `peerboot images --kind package` shows.',
  },
  'PB-PACKAGE-UNREADABLE': {
    means: 'The file or folder cannot be read',
    remedy: 'Check the path and its permissions.',
  },
  'PB-PACKAGE-UNSAFE': {
    means: 'The published package contradicts itself, or reaches outside its own folder',
    remedy:
      'Nothing was put in place: publish the package again as a new version, and ask who signed this one.',
  },
  'PB-PACKAGE-WRITE': {
    means: 'The package could not be written to its place',
    remedy:
      'Check room, permissions and file system at the path in the message, then run the same command again: it goes on where it was.',
  },
  // Building boot assets and images
  'PB-BUILD-FAILED': {
    means: 'Boot assets or an image could not be built on this machine',
    remedy: 'Mend what the message names, then run the same command again; nothing half built is kept.',
  },
  'PB-HOST-INCOMPLETE': {
    means: 'This machine lacks programs that the command needs',
    remedy: 'Install the packages named in the message, then run the same command again.',
  },
  // The doctor
  'PB-BOOT-FILE-UNREACHABLE': {
    means: 'A boot server names a file that cannot be fetched from it',
    remedy:
      'If the server is ours, start it and open UDP 69 and TCP 8067 in its firewall; if not, tell whoever runs it.',
  },
  'PB-BOOT-SERVER-NONE': {
    means: 'No boot server answers this kind of machine',
    remedy:
      'Start `peerboot up` on a peer of this network and see that it may answer (tag, `--observe`) and that UDP 67 is open in its firewall.',
  },
  'PB-BOOT-SERVER-SILENT': {
    means: 'A boot server offers itself and then does not say what to boot',
    remedy:
      'If the server is ours, open UDP 4011 in its firewall; if not, tell whoever runs it: UEFI machines fail while it answers.',
  },
  'PB-BOOT-SERVERS-SEVERAL': {
    means: 'Several boot servers answer on this network, and machines may boot from any of them',
    remedy:
      'If one of them is not meant to, stop it or take its tag; several boot hosts of ours agree among themselves.',
  },
  'PB-CAPTURE-UNREADABLE': {
    means: 'The file is no capture that can be read',
    remedy: 'Give a pcap or pcapng file of an Ethernet network, as `tcpdump -w` and Wireshark write them.',
  },
  // Simulating
  'PB-TOPOLOGY-INVALID': {
    means: 'The description of sites and lines to simulate cannot be read',
    remedy: 'Correct the line or key named in the message; examples/topology.yaml has every key, explained.',
  },
  // Imaging a target; machines, approval and names
  ...MACHINE_ERRORS,
  // Boot assets
  'PB-ASSETS-MISSING': {
    means: 'There are no boot assets: the NBPs, the kernel and the agent that machines load by network',
    remedy: 'Build them with `npm run boot-assets`, or name the folder that holds them with `--assets`.',
  },
  'PB-ASSETS-UNTRUSTING': {
    means: 'The agent in the boot assets does not trust the publisher that the peer trusts',
    remedy: 'Build the boot assets with the same root: `npm run boot-assets -- --root <root.json>`.',
  },
  'PB-ASSET-CHANGED': {
    means: 'A boot asset is not the file it was when it was built or loaded',
    remedy: 'Build the boot assets anew, or correct its line in provenance.json, and restart Peerboot.',
  },
  'PB-SIGN-FAILED': {
    means: 'The agent could not be signed for Secure Boot',
    remedy: 'Correct what the message names; key and certificate are PEM files, the key RSA with 2048 bits.',
  },
  'PB-SIGN-TOOL-MISSING': {
    means: 'There is no program here that signs UEFI programs',
    remedy: "Install Debian's package `sbsigntool`, or `osslsigncode`, and run the command again.",
  },
  // Control, replicas and the ledger of WAN bytes
  'PB-CONTROL-DAMAGED': {
    means: 'The file of what this peer was told (pause, priority, limits, images to hold) cannot be read',
    remedy:
      'Check the disk, delete the file named in the message, start Peerboot and give the commands again.',
  },
  'PB-ORDERS-DAMAGED': {
    means: 'The file of when administrators told this peer what cannot be read',
    remedy:
      'Check the disk, delete the file named in the message and start Peerboot: its assignments are kept elsewhere.',
  },
  'PB-LEASES-DAMAGED': {
    means: 'The file of addresses that this peer gave cannot be read',
    remedy:
      'Check the disk, delete the file named in the message and start Peerboot: addresses in use are found by probing.',
  },
  'PB-LAST-COPY': {
    means:
      'No other peer of the site holds the image whole, so giving it up would cost the site its only copy',
    remedy:
      'Wait until another peer holds it (`peerboot site`), or give it up all the same with `--last-copy`.',
  },
  'PB-LEDGER-DAMAGED': {
    means: 'The ledger of WAN bytes cannot be read',
    remedy: 'Check the disk, then delete the file named in the message: counting begins anew.',
  },
  // Trust: the signed catalogue
  'PB-CATALOGUE-MISSING': {
    means: 'An origin has no catalogue where one should be',
    remedy: 'Check that the origin address leads to the folder that `peerboot publish --to` wrote.',
  },
  'PB-KEYS-MISPLACED': {
    means: 'The folder for signing keys is not a safe place for them',
    remedy:
      'Choose a folder outside the published tree and outside the project with `--keys`, readable by you alone.',
  },
  'PB-KEYS-UNUSABLE': {
    means: 'A signing key is missing, unreadable, or not the one that the catalogue was signed with',
    remedy: 'Restore the folder of keys from its backup and publish again.',
  },
  'PB-TRUST-EXPIRED': {
    means:
      'The catalogue is signed but past its date: someone holds back a newer one, or nobody refreshed it',
    remedy: 'Run `peerboot catalogue refresh` where the keys are, and check the clock of this machine.',
  },
  'PB-TRUST-FORGED': {
    means: 'The catalogue is not signed by the publisher that this machine trusts',
    remedy:
      'Find out who answers at the address in the message; if the publisher made new keys, pin the new root with `--root`.',
  },
  'PB-TRUST-MIXED': {
    means: 'Parts of the catalogue do not belong together',
    remedy:
      'Wait until the origin is wholly copied; if it persists, copy the tree again with timestamp.json last.',
  },
  'PB-TRUST-ROLLBACK': {
    means: 'The catalogue is older than the one that this machine has already seen',
    remedy:
      'If the origin was restored from a backup, publish again with the same folder of keys: it goes on above the old one.',
  },
  'PB-TRUST-ROOT-MISSING': {
    means: 'No root of trust is known, so no catalogue can be believed',
    remedy: "Give the publisher's root.json with `--root`; it is remembered in the state folder.",
  },
  'PB-TRUST-STATE-DAMAGED': {
    means: 'The last good catalogue on this disk is damaged',
    remedy:
      'Check the disk, then delete the file named in the message: trust starts again from the pinned root.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_TABLE;
