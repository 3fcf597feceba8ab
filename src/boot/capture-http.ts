// HTTP requests and answers as a capture shows them, told as facts: request lines, status lines, and how far bodies were taken.
import { ROUTES } from '../api/routes.ts';
import { toText } from '../base/bytes.ts';
import type { CapturedEnd, CapturedPacket } from '../capture/packets.ts';
import type { Observed, ToldPlan } from './observed.ts';
import { SHELL_WORD } from './script.ts';

interface Flow {
  readonly client: CapturedEnd;
  readonly server: CapturedEnd;
  path: string;
  method: string;
  answered: boolean;
  /** Sequence number behind the last byte of the answer's body, once its head was seen. */
  bodyEnd: number | undefined;
}

const MOST_FLOWS = 1024;
const REQUEST = /^(GET|HEAD|POST|PUT) (\/\S*|https?:\/\/\S+) HTTP\/1\.\d\r?\n/;
const STATUS = /^HTTP\/1\.\d (\d{3})/;

export class CaptureHttp {
  /** By the client's end of the connection. */
  readonly #flows = new Map<string, Flow>();

  read(packet: CapturedPacket & { kind: 'tcp' }): readonly Observed[] {
    const { source, target } = packet;
    const flow = this.#flows.get(key(target, source));
    if (flow !== undefined) return fromServer(flow, packet);
    const facts: Observed[] = [];
    const own = this.#flows.get(key(source, target));
    if (own?.bodyEnd !== undefined && packet.ack !== undefined && ((packet.ack - own.bodyEnd) | 0) >= 0) {
      own.bodyEnd = undefined;
      facts.push({ kind: 'http-answer', client: source, server: target.address, status: 200, whole: true });
    }
    const request = packet.payload.length === 0 ? null : REQUEST.exec(headText(packet.payload));
    if (request === null) return facts;
    const [, method = '', path = ''] = request;
    this.#flows.delete(key(source, target));
    this.#flows.set(key(source, target), {
      client: source,
      server: target,
      method,
      path: path.replace(/^https?:\/\/[^/]*/, ''),
      answered: false,
      bodyEnd: undefined,
    });
    const oldest = this.#flows.keys().next().value;
    if (this.#flows.size > MOST_FLOWS && oldest !== undefined) this.#flows.delete(oldest);
    facts.push({
      kind: 'http-request',
      client: source,
      server: target.address,
      method,
      path: path.replace(/^https?:\/\/[^/]*/, ''),
    });
    return facts;
  }
}

function fromServer(
  flow: Flow,
  { payload, payloadBytes, seq }: CapturedPacket & { kind: 'tcp' },
): Observed[] {
  if (payloadBytes === 0) return [];
  const text = headText(payload);
  const plan = planOfScript(text);
  const told: Observed[] = plan === undefined ? [] : [{ kind: 'told', address: flow.client.address, plan }];
  if (flow.answered) return told;
  flow.answered = true;
  // A capture may lack the packet with the head; then at least something was answered.
  const status = Number(STATUS.exec(text)?.[1] ?? 200);
  const headEnd = text.indexOf('\r\n\r\n');
  const length = /^content-length: *(\d+)/im.exec(headEnd === -1 ? text : text.slice(0, headEnd))?.[1];
  if (headEnd !== -1 && length !== undefined && status < 300 && flow.method !== 'HEAD') {
    flow.bodyEnd = (seq + headEnd + 4 + Number(length)) | 0;
  }
  const answer: Observed = { kind: 'http-answer', client: flow.client, server: flow.server.address, status };
  if (flow.method === 'POST' && flow.path === ROUTES.checkIn && status === 200) {
    return [answer, { kind: 'check-in', address: flow.client.address, macs: [] }];
  }
  return [answer, ...told];
}

/** What a script of `boot/script` tells the machine to do; undefined for other bytes. */
export function planOfScript(text: string): ToldPlan | undefined {
  const script = text.slice(Math.max(0, text.indexOf('#!ipxe')));
  if (!script.startsWith('#!ipxe')) return undefined;
  if (script.includes(`${ROUTES.entries}/`)) return 'boot-entry';
  const [kernel] = /^kernel .*$/m.exec(script) ?? [];
  if (kernel !== undefined) return kernel.split(' ').includes(SHELL_WORD) ? 'shell' : 'image';
  if (/^prompt .*Booting from the own disk in/m.test(script)) return 'local-boot';
  return /^prompt .*Asking again soon/m.test(script) ? 'wait' : undefined;
}

function headText(payload: Uint8Array): string {
  return toText(payload.subarray(0, 4096));
}

function key(client: CapturedEnd, server: CapturedEnd): string {
  return `${client.address}:${client.port} ${server.address}:${server.port}`;
}
