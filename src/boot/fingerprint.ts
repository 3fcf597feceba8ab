// Tells one make of firmware from another by how it words its DHCPDISCOVER, whichever machine it is in.
import { OPTIONS, readOption } from '../dhcp/options.ts';
import type { DhcpPacket } from '../dhcp/packet.ts';
import { parseClientInterface, parseVendorClass } from '../dhcp/pxe.ts';
import type { BootArchitecture } from './client.ts';

/** `uefi-x64-undi3.0-1f0c22d9`: words for people, and a hash of all the rest. At most 48 letters. */
export type Fingerprint = string;

/** What depends on the machine, its last lease, or the relay between us, though the firmware is the same. */
const NOT_THE_FIRMWARE: readonly number[] = [
  OPTIONS.requestedAddress.code,
  OPTIONS.serverIdentifier.code,
  OPTIONS.hostName.code,
  OPTIONS.relayInformation.code,
];

/**
 * From architecture and vendor class, UNDI version (options 94 and 60), the parameter list in its order (55), the maximum
 * size (57), and which options there are, in their order. Never from the MAC, the UUID, or the transaction.
 */
export function fingerprintOf(discover: DhcpPacket, architecture: BootArchitecture): Fingerprint {
  const { options } = discover;
  const vendor = parseVendorClass(readOption(options, OPTIONS.vendorClass) ?? '');
  const undi = parseClientInterface(options.get(OPTIONS.clientInterface.code) ?? new Uint8Array(0));
  const worded = [
    vendor?.name,
    readOption(options, OPTIONS.clientArchitecture),
    vendor?.architecture,
    vendor?.undi,
    undi?.type,
    undi?.version,
    readOption(options, OPTIONS.parameterRequestList),
    readOption(options, OPTIONS.maximumSize),
    [...options.keys()].filter((code) => !NOT_THE_FIRMWARE.includes(code)),
  ];
  const version = vendor?.undi ?? undi?.version;
  const known = version === undefined ? '' : `-undi${version}`;
  return `${architecture}${known}-${fnv1a(JSON.stringify(worded)).toString(16).padStart(8, '0')}`;
}

/** FNV-1a, 32 bits: spreads well and needs no library; whoever forges a fingerprint could send the real one as well. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
