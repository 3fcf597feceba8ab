// The peer as which the tests of classification and reply answer.
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { BootAsset, ReplyContext } from '../../src/boot/reply.ts';

export const TEST_ASSETS: readonly BootAsset[] = [
  { name: 'undionly.kpxe', sizeBytes: 70_085 },
  { name: 'snponly.efi', sizeBytes: 238_592 },
  { name: 'ipxe.efi', sizeBytes: 1_029_120 },
  { name: 'vmlinuz', sizeBytes: 8_000_000 },
  { name: 'initramfs.img', sizeBytes: 40_000_000 },
];

export const TEST_CONTEXT: ReplyContext = {
  serverAddress: '10.77.0.2' as Ipv4,
  httpPort: 8067,
  assets: TEST_ASSETS,
  enabled: true,
  priority: 1,
  source: { address: '0.0.0.0' as Ipv4, port: 68 },
  arrivedPort: 67,
  chainRules: [],
  chainFacts: { secureBoot: false },
  chain: false,
};
