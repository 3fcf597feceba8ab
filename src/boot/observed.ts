// What can be seen of a machine's boot attempt on the wire or in our own services: the facts that the doctor judges by.
import type { Ipv4, Mac } from '../base/addresses.ts';
import type { Endpoint } from '../dhcp/destination.ts';
import type { DhcpPacket } from '../dhcp/packet.ts';

/**
 * One fact. Live, our services tell what they hear and send; from a capture, every packet tells. Facts come in order of time, and
 * none is obligatory: a machine's own requests are judged also where nobody saw the answers.
 */
export type Observed =
  /** A DHCP packet on ports 67, 68 or 4011, in either direction, ours too. */
  | {
      readonly kind: 'dhcp';
      readonly packet: DhcpPacket;
      readonly source: Endpoint;
      readonly target: Endpoint;
    }
  /** A client asks for a file by TFTP (RRQ). */
  | { readonly kind: 'tftp-request'; readonly client: Endpoint; readonly server: Ipv4; readonly file: string }
  /** The server's first answer to it: an OACK or the first DATA. */
  | {
      readonly kind: 'tftp-answer';
      readonly client: Endpoint;
      readonly server: Ipv4;
      /** From the OACK's tsize. */
      readonly sizeBytes?: number | undefined;
    }
  /** More of the file was acknowledged. */
  | {
      readonly kind: 'tftp-progress';
      readonly client: Endpoint;
      readonly server: Ipv4;
      readonly sentBytes: number;
    }
  | {
      readonly kind: 'tftp-end';
      readonly client: Endpoint;
      readonly server: Ipv4;
      /**
       * `probed`: the client wanted only the size and ended it after the OACK, as EDK2 does before every file. `denied`: our side
       * sent an ERROR instead of the file. `timed-out`: the client stopped answering.
       */
      readonly outcome: 'completed' | 'probed' | 'aborted' | 'denied' | 'timed-out';
      readonly why?: string | undefined;
    }
  /** A request line of HTTP. */
  | {
      readonly kind: 'http-request';
      readonly client: Endpoint;
      readonly server: Ipv4;
      readonly method: string;
      /** With its query. */
      readonly path: string;
    }
  | {
      readonly kind: 'http-answer';
      readonly client: Endpoint;
      readonly server: Ipv4;
      readonly status: number;
      /** True when the whole body went out, false when the client broke off, undefined when that cannot be seen. */
      readonly whole?: boolean | undefined;
    }
  /** What the script does that was sent to this machine. */
  | { readonly kind: 'told'; readonly address: Ipv4; readonly plan: ToldPlan }
  /** The agent runs and has checked in. */
  | { readonly kind: 'check-in'; readonly address: Ipv4 | undefined; readonly macs: readonly Mac[] };

/** What a script of `boot/script` or `boot/script-entry` has the machine do. */
export type ToldPlan = 'image' | 'local-boot' | 'boot-entry' | 'shell' | 'wait';

/** Nothing that we serve runs then, so nothing more is heard of that machine. */
export function isOutOfSight(plan: ToldPlan | undefined): boolean {
  return plan === 'local-boot' || plan === 'boot-entry';
}
