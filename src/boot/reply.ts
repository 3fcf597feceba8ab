// What to answer: one pure decision from a packet, who sent it, and what this peer has to give.

import { ROUTES } from '../api/routes.ts';
import { ANY_ADDRESS, type Ipv4 } from '../base/addresses.ts';
import { fromText } from '../base/bytes.ts';
import { assert } from '../base/errors.ts';
import {
  type Destination,
  type Endpoint,
  PXE_PORT,
  replyDestination,
  type ServerPort,
} from '../dhcp/destination.ts';
import { type MessageType, OPTIONS, optionEntry, readOption } from '../dhcp/options.ts';
import { BOOT_REPLY, BOOT_REQUEST, type DhcpPacket } from '../dhcp/packet.ts';
import { encodeSuboptions, IPXE_PRIORITY, PXE_DISCOVERY_CONTROL, USE_OFFERED_FILE } from '../dhcp/pxe.ts';
import { type ChainFacts, type ChainRule, chooseChain, type FirstFile, wantedFiles } from './chain.ts';
import { type BootClient, isBootClient, type NotBootClient } from './client.ts';
import { type Dialect, dialectRule } from './quirks.ts';

/** A file that TFTP and HTTP serve. */
export interface BootAsset {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface ReplyContext {
  /** Our address on the interface that the packet came in by. */
  readonly serverAddress: Ipv4;
  readonly httpPort: number;
  readonly assets: readonly BootAsset[];
  /** False on a peer that is no boot host. */
  readonly enabled: boolean;
  /** Among boot hosts that answer the same iPXE, 1 to 127: it takes the highest. */
  readonly priority: number;
  /** Where the packet came from and to which of our ports. */
  readonly source: Endpoint;
  readonly arrivedPort: ServerPort;
  readonly chainRules: readonly ChainRule[];
  readonly chainFacts: ChainFacts;
  /** How an offer to a firmware on port 67 is worded; absent: as the rules say (see boot/quirks). */
  readonly dialect?: Dialect | undefined;
  /** This ROM is iPXE but shall be given an NBP as if it were not (see `RomMemory`). */
  readonly chain: boolean;
}

/** Why a packet gets no answer. Each is counted and visible. */
export type IgnoreReason =
  | 'boot-reply'
  | 'no-message-type'
  | 'message-not-for-proxy'
  | 'request-to-another-server'
  | 'not-pxe'
  | 'unknown-architecture'
  | 'no-nbp'
  | 'not-a-boot-host'
  | 'another-boot-host'
  | 'unusable-address'
  | 'reply-too-large';

export type ReplyDecision =
  | {
      readonly kind: 'reply';
      readonly packet: DhcpPacket;
      readonly destination: Destination;
      /** The file or URL handed out. */
      readonly file: string;
      /** What a firmware was given; undefined for iPXE, which gets the script. */
      readonly first: FirstFile | undefined;
    }
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason; readonly detail: string };

const ignore = (reason: IgnoreReason, detail: string): ReplyDecision => ({ kind: 'ignore', reason, detail });

/** Decides the answer to a packet. The reply never carries an address, a lease or a router: those are the site's. */
export function decideReply(
  packet: DhcpPacket,
  client: BootClient | NotBootClient,
  context: ReplyContext,
): ReplyDecision {
  if (packet.op !== BOOT_REQUEST) return ignore('boot-reply', `op ${packet.op}`);
  const asked = readOption(packet.options, OPTIONS.messageType);
  if (asked === undefined) return ignore('no-message-type', 'BOOTP, or an unknown DHCP message');
  const chosen = readOption(packet.options, OPTIONS.serverIdentifier);
  if (chosen !== undefined && chosen !== context.serverAddress) {
    return ignore('request-to-another-server', `${asked} to ${chosen}`);
  }
  const type = answerTo(asked, context.arrivedPort);
  if (type === undefined) return ignore('message-not-for-proxy', `${asked} on port ${context.arrivedPort}`);
  if (!isBootClient(client)) {
    return client.kind === 'not-pxe'
      ? ignore('not-pxe', 'no vendor class PXEClient or HTTPClient')
      : ignore('unknown-architecture', `architecture ${client.architectures.join(', ') || 'not told'}`);
  }
  if (!context.enabled) return ignore('not-a-boot-host', 'this peer is not tagged boot-host');

  // With at most 255 bytes echoed, every reply fits 576, the least that RFC 2131 §2 makes a client take.
  const relayBytes = packet.options.get(OPTIONS.relayInformation.code)?.length ?? 0;
  if (relayBytes > 255) return ignore('reply-too-large', `${relayBytes} bytes of relay agent information`);

  const boot = bootFile(client, context);
  if (boot === undefined) {
    const wanted = wantedFiles(client, chainContext(context));
    return ignore('no-nbp', `no NBP for ${client.architecture}: none of ${wanted.join(', ')}`);
  }
  const destination = replyDestination(packet, context.source, context.arrivedPort);
  if (destination === undefined) return ignore('unusable-address', 'the reply would go to no single host');
  const { file, first } = boot;
  return { kind: 'reply', packet: reply(packet, client, type, boot, context), destination, file, first };
}

/** OFFER to DISCOVER on 67; ACK to what comes by unicast to 4011, where old ROMs send INFORM instead of REQUEST. */
function answerTo(asked: MessageType, arrivedPort: ServerPort): MessageType | undefined {
  if (arrivedPort === PXE_PORT) return asked === 'REQUEST' || asked === 'INFORM' ? 'ACK' : undefined;
  return asked === 'DISCOVER' ? 'OFFER' : undefined;
}

function chainContext({ assets, chainRules, chainFacts }: ReplyContext) {
  return { rules: chainRules, facts: chainFacts, files: new Set(assets.map(({ name }) => name)) };
}

interface BootFile {
  readonly file: string;
  readonly first?: FirstFile;
  /** Known when it is fetched by TFTP. */
  readonly sizeBytes?: number;
}

/** What the client shall fetch. iPXE gets the script, everything else an NBP: that is what breaks the loop. */
function bootFile(client: BootClient, context: ReplyContext): BootFile | undefined {
  const base = `http://${context.serverAddress}:${context.httpPort}`;
  if (client.kind === 'ipxe' && !context.chain) return { file: `${base}${ROUTES.start}` };
  const first = chooseChain(client, chainContext(context));
  const asset = context.assets.find(({ name }) => name === first?.name);
  if (first === undefined || asset === undefined) return undefined;
  if (client.kind === 'http-rom') return { file: `${base}${ROUTES.files}/${first.name}`, first };
  return { file: first.name, sizeBytes: asset.sizeBytes, first };
}

function reply(
  request: DhcpPacket,
  client: BootClient,
  type: MessageType,
  boot: BootFile,
  context: ReplyContext,
): DhcpPacket {
  const file = fromText(boot.file);
  // Shim and U-Boot read only the header; 127 bytes leave room for the NUL that EDK2 wants.
  assert(file.length <= 127, 'the boot file fits the header');
  const options = new Map<number, Uint8Array>([
    optionEntry(OPTIONS.messageType, type),
    // EDK2 silently drops an offer without option 54.
    optionEntry(OPTIONS.serverIdentifier, context.serverAddress),
    optionEntry(OPTIONS.vendorClass, client.vendorClass),
  ]);
  const machine = request.options.get(OPTIONS.clientMachine.code);
  if (machine?.length === 17) options.set(OPTIONS.clientMachine.code, machine);
  const relay = request.options.get(OPTIONS.relayInformation.code);
  if (relay !== undefined) options.set(OPTIONS.relayInformation.code, relay);
  if (dialectOf(request, client, context) === 'offered-file') {
    options.set(OPTIONS.vendorOptions.code, USE_THIS_FILE);
  }
  if (client.kind === 'ipxe') options.set(OPTIONS.ipxe.code, preferUs(context.priority));
  const blocks = Math.ceil((boot.sizeBytes ?? Number.POSITIVE_INFINITY) / 512);
  // Lets EDK2 skip its size probe; 16 bits count no more than 32 MiB.
  if (blocks <= 0xffff) options.set(...optionEntry(OPTIONS.bootFileSize, blocks));
  return {
    op: BOOT_REPLY,
    htype: request.htype,
    hops: 0,
    xid: request.xid,
    secs: 0,
    flags: request.flags,
    ciaddr: request.ciaddr,
    yiaddr: ANY_ADDRESS,
    siaddr: context.serverAddress,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: new Uint8Array(0),
    file,
    options,
  };
}

/** Undefined for clients that know no port 4011. Our answers there are as the rules say: the offer was taken. */
function dialectOf(request: DhcpPacket, client: BootClient, context: ReplyContext): Dialect | undefined {
  if (client.kind !== 'bios-rom' && client.kind !== 'uefi-rom') return undefined;
  const told = context.arrivedPort === PXE_PORT ? undefined : context.dialect;
  return told ?? dialectRule(request, client.kind).dialect;
}

/** Skip discovery, fetch the file named here (PXE 2.1 table 2-1). */
const USE_THIS_FILE = encodeSuboptions(
  new Map([[PXE_DISCOVERY_CONTROL, Uint8Array.of(USE_OFFERED_FILE)]]),
  'end',
);
/** Nobody else sets it, so any positive value settles a tie with other proxies; it is a signed byte. */
const preferUs = (priority: number) =>
  encodeSuboptions(new Map([[IPXE_PRIORITY, Uint8Array.of(priority)]]), 'no-end');
