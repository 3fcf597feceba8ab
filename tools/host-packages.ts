// What we run from the host, by purpose: each program or file, and the Debian package that brings it.

/** `secureboot` and `arm64`: what the demo needs beyond `demo` for such a machine. */
export const PURPOSES = [
  'assets',
  'image',
  'demo',
  'secureboot',
  'arm64',
  'test',
  'bench',
  'lab',
  'phone',
] as const;
export type Purpose = (typeof PURPOSES)[number];

export interface HostNeed {
  /** A program's name, or an absolute path when it is a file. */
  readonly needs: string;
  readonly debianPackage: string;
  readonly purposes: readonly Purpose[];
  /** Services that the package starts and enables: kept from both when we install it. */
  readonly services?: readonly string[];
}

const BUILD_IMAGE = ['image', 'demo', 'test', 'bench', 'lab'] as const;
const LAB = ['demo', 'test', 'bench', 'lab'] as const;

export const HOST_NEEDS: readonly HostNeed[] = [
  // Boot assets
  { needs: 'depmod', debianPackage: 'kmod', purposes: ['assets', ...BUILD_IMAGE] },
  { needs: 'strip', debianPackage: 'binutils', purposes: ['assets', 'demo', 'test', 'bench', 'lab'] },
  // Images
  { needs: 'mmdebstrap', debianPackage: 'mmdebstrap', purposes: BUILD_IMAGE },
  { needs: 'mkfs.ext4', debianPackage: 'e2fsprogs', purposes: BUILD_IMAGE },
  { needs: 'mkfs.vfat', debianPackage: 'dosfstools', purposes: BUILD_IMAGE },
  { needs: 'mcopy', debianPackage: 'mtools', purposes: BUILD_IMAGE },
  { needs: 'sgdisk', debianPackage: 'gdisk', purposes: BUILD_IMAGE },
  { needs: 'qemu-img', debianPackage: 'qemu-utils', purposes: BUILD_IMAGE },
  // The store in one machine
  { needs: 'qemu-system-x86_64', debianPackage: 'qemu-system-x86', purposes: LAB },
  { needs: '/usr/lib/ipxe/qemu/pxe-virtio.rom', debianPackage: 'ipxe-qemu', purposes: LAB },
  { needs: '/usr/share/OVMF/OVMF_CODE_4M.fd', debianPackage: 'ovmf', purposes: LAB },
  { needs: 'ip', debianPackage: 'iproute2', purposes: LAB },
  { needs: 'dnsmasq', debianPackage: 'dnsmasq-base', purposes: LAB },
  { needs: 'nginx', debianPackage: 'nginx-light', purposes: LAB, services: ['nginx'] },
  { needs: 'tcpdump', debianPackage: 'tcpdump', purposes: LAB },
  { needs: 'ethtool', debianPackage: 'ethtool', purposes: LAB },
  // Secure Boot and arm64
  { needs: 'sbsign', debianPackage: 'sbsigntool', purposes: ['secureboot', 'test', 'lab'] },
  { needs: 'qemu-system-aarch64', debianPackage: 'qemu-system-arm', purposes: ['arm64', 'lab'] },
  { needs: '/usr/share/AAVMF/AAVMF_CODE.fd', debianPackage: 'qemu-efi-aarch64', purposes: ['arm64', 'lab'] },
  // Tests and benchmarks only
  { needs: 'nft', debianPackage: 'nftables', purposes: ['test'], services: ['nftables'] },
  { needs: 'tftp', debianPackage: 'tftp-hpa', purposes: ['test', 'bench'] },
  {
    needs: 'in.tftpd',
    debianPackage: 'tftpd-hpa',
    purposes: ['test', 'bench'],
    services: ['tftpd-hpa'],
  },
  { needs: 'atftp', debianPackage: 'atftp', purposes: ['test'] },
  { needs: 'dhcpd', debianPackage: 'isc-dhcp-server', purposes: ['test'], services: ['isc-dhcp-server'] },
  { needs: 'dhcrelay', debianPackage: 'isc-dhcp-relay', purposes: ['test'], services: ['isc-dhcp-relay'] },
  {
    needs: 'kea-dhcp4',
    debianPackage: 'kea-dhcp4-server',
    purposes: ['test'],
    services: ['kea-dhcp4-server'],
  },
  { needs: 'curl', debianPackage: 'curl', purposes: ['test', 'bench', 'lab'] },
  { needs: 'tshark', debianPackage: 'tshark', purposes: ['test'] },
  { needs: 'cpio', debianPackage: 'cpio', purposes: ['test'] },
  { needs: 'openssl', debianPackage: 'openssl', purposes: ['secureboot', 'test', 'lab'] },
  { needs: 'sfdisk', debianPackage: 'fdisk', purposes: ['test'] },
  { needs: 'socat', debianPackage: 'socat', purposes: ['test'] },
  { needs: 'zstd', debianPackage: 'zstd', purposes: ['test', 'bench'] },
  { needs: 'aria2c', debianPackage: 'aria2', purposes: ['bench'] },
  { needs: 'udp-sender', debianPackage: 'udpcast', purposes: ['bench'] },
  { needs: 'zbarimg', debianPackage: 'zbar-tools', purposes: ['test'] },
  { needs: 'casync', debianPackage: 'casync', purposes: ['bench'] },
  // 113 MB to fetch and 410 MB installed, so only for the tests that need it.
  { needs: 'chromium', debianPackage: 'chromium', purposes: ['phone'] },
  { needs: '/bin/busybox', debianPackage: 'busybox-static', purposes: ['test', 'bench'] },
];
