// What every emulated firmware is: a machine that hears datagrams and HTTP answers, and sends real bytes.
import type { Ipv4, Mac } from '../../base/addresses.ts';
import type { Machine } from '../../base/machine.ts';
import type { Endpoint } from '../../dhcp/destination.ts';
import type { DhcpPacket } from '../../dhcp/packet.ts';

/** The machine that the firmware is in. */
export interface FirmwareHardware {
  readonly mac: Mac;
  /** As it lies in option 97 behind its first byte: sixteen bytes. */
  readonly uuid: Uint8Array;
}

export interface HttpAnswer {
  /** 0: no connection, or it broke. */
  readonly status: number;
  readonly sizeBytes: number;
  /** The body's beginning: at most KEPT_BYTES. */
  readonly body: Uint8Array;
}

/** So much of a file is kept; the rest is counted only, so that hundreds of machines fit one process. */
export const KEPT_BYTES = 64 * 1024;

export type FirmwareEvent =
  | { readonly kind: 'power-on' }
  /** A UDP datagram for one of our ports: by unicast, or by broadcast. */
  | { readonly kind: 'datagram'; readonly port: number; readonly from: Endpoint; readonly bytes: Uint8Array }
  /** To the last HTTP request; answers to earlier ones never arrive. */
  | { readonly kind: 'http'; readonly answer: HttpAnswer }
  | { readonly kind: 'wake' };

export type FirmwareAction =
  /** From our address, 0.0.0.0 before there is one. */
  | { readonly kind: 'send'; readonly port: number; readonly to: Endpoint; readonly bytes: Uint8Array }
  /** The firmware gives its card this address; 0.0.0.0 takes it away. */
  | { readonly kind: 'configure'; readonly address: Ipv4 }
  | {
      readonly kind: 'http';
      readonly method: 'GET' | 'HEAD';
      readonly url: string;
      /** In the order in which the firmware sends them; `Host` is the wire's business. */
      readonly headers: readonly (readonly [name: string, value: string])[];
    }
  /** Something a person at the screen would call progress. */
  | { readonly kind: 'reached'; readonly stage: Stage; readonly what: string }
  | { readonly kind: 'end'; readonly outcome: BootOutcome };

/** In the order in which a machine comes by them; the second address is the one iPXE gets. */
export type Stage = 'address' | 'nbp' | 'script' | 'files';

export interface LoadedFile {
  /** As it was asked for: a path by TFTP, a URL by HTTP. */
  readonly name: string;
  readonly via: 'tftp' | 'http';
  /** Who gave it. */
  readonly server: Ipv4;
  readonly sizeBytes: number;
  readonly body: Uint8Array;
}

/** What PXE leaves behind for the program that it started (EFI_PXE_BASE_CODE_MODE). */
export interface PxeMemory {
  readonly address: Ipv4;
  readonly ack: DhcpPacket;
  readonly proxyOffer: DhcpPacket | undefined;
  /** From port 4011. */
  readonly pxeReply: DhcpPacket | undefined;
}

export type BootOutcome =
  /** The firmware starts this file. */
  | { readonly kind: 'loaded'; readonly file: LoadedFile; readonly memory: PxeMemory | undefined }
  /** iPXE has a script that says what to do, and the machine was asked to stop there. */
  | { readonly kind: 'script'; readonly url: string }
  /** Kernel and initramfs are in memory. */
  | { readonly kind: 'agent'; readonly files: readonly string[] }
  | { readonly kind: 'local-disk' }
  | { readonly kind: 'failed'; readonly code: FailureCode; readonly why: string };

/** As the screen shows them: EDK2's and PXE 2.1's PXE-E codes, and names of our own where iPXE and others have none. */
export type FailureCode =
  | 'PXE-E51' // BIOS: no DHCP offers were received
  | 'PXE-E53' // BIOS: no boot filename received
  | 'PXE-E55' // BIOS: proxyDHCP did not reply on port 4011
  | 'PXE-E16' // EDK2: no valid offer received
  | 'PXE-E18' // EDK2: server response timeout
  | 'PXE-E23' // EDK2: error from the TFTP server
  | 'PXE-E32' // BIOS: TFTP open timeout
  | 'PXE-E3B' // BIOS: TFTP error, file not found
  | 'HTTP-NO-OFFER'
  | 'HTTP-FAILED'
  | 'NO-CONFIGURATION' // iPXE: no DHCP offer
  | 'NOTHING-TO-BOOT' // iPXE: an address but no file
  | 'FETCH-FAILED'
  | 'SCRIPT-FAILED'
  | 'SECOND-STAGE'; // shim: its second stage could not be loaded

export type Firmware = Machine<FirmwareEvent, FirmwareAction>;

/** Nothing happened worth an action. */
export const NOTHING: readonly FirmwareAction[] = [];

export function failed(code: FailureCode, why: string): FirmwareAction {
  return { kind: 'end', outcome: { kind: 'failed', code, why } };
}
