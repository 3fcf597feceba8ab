// iPXE, in a network card or as an NBP: DHCP, the file it is told, and the script that this usually is.
import { ANY_ADDRESS, type Ipv4, parseIpv4 } from '../../base/addresses.ts';
import { toText } from '../../base/bytes.ts';
import { type Random, randomInt } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import { formatUuid } from '../../dhcp/pxe.ts';
import { type IpxeKind, ipxeDialect } from './dialects.ts';
import {
  type BootOutcome,
  type Firmware,
  type FirmwareAction,
  type FirmwareEvent,
  type FirmwareHardware,
  failed,
  type LoadedFile,
  NOTHING,
} from './firmware.ts';
import { hostOf } from './http-boot.ts';
import { IpxeDhcp } from './ipxe-dhcp.ts';
import { IpxeScript, type ScriptWish, type Settings } from './ipxe-script.ts';
import { TftpFetch } from './tftp-fetch.ts';

const TFTP_PORT = 69;
/** iPXE's retry timer: from a quarter of a second, doubling. */
const TFTP_WAITS_MS = [250, 500, 1_000, 2_000, 4_000, 8_000] as const;
/** TCP gives up on a silent peer after its repetitions. */
const HTTP_MS = 30_000;
/** How long 1.0.0 waits for an IPv6 router that is not there. */
const ROUTER_WAIT_MS = 16_000;
const USER_AGENTS = { '1': 'iPXE/1.0.0+git-20190125.36a4c85-5.1', '2': 'iPXE/2.0.0+ (gv2.0.)' } as const;

export interface IpxeOptions {
  readonly hardware: FirmwareHardware;
  readonly random: Random;
  readonly kind: IpxeKind;
  /** Stop once the script asks for the first file or key, or fetch what it names. */
  readonly until: 'script' | 'agent';
  /** An NBP that came by TFTP, rather than a card's ROM or by HTTP Boot. */
  readonly loadedByPxe?: boolean;
  /** False: no IPv6 router advertises itself. */
  readonly hasRouter?: boolean;
  /** Serial, manufacturer, product, asset as SMBIOS says. */
  readonly settings?: Settings;
}

type Purpose = 'autoboot' | 'chain' | 'kernel' | 'initrd';

type Phase =
  | { readonly kind: 'off' }
  | { readonly kind: 'dhcp'; readonly dhcp: IpxeDhcp }
  | {
      readonly kind: 'router';
      readonly untilMs: MonotonicMs;
      go(now: MonotonicMs): readonly FirmwareAction[];
    }
  | { readonly kind: 'tftp'; readonly fetch: TftpFetch; readonly purpose: Purpose }
  | { readonly kind: 'http'; readonly url: string; readonly purpose: Purpose; readonly untilMs: MonotonicMs }
  | { readonly kind: 'pause'; readonly untilMs: MonotonicMs }
  | { readonly kind: 'over' };

export class Ipxe implements Firmware {
  readonly #options: IpxeOptions;
  #phase: Phase = { kind: 'off' };
  #script: IpxeScript | undefined;
  #scriptUrl = '';
  #nextServer: Ipv4 = ANY_ADDRESS;
  readonly #files: string[] = [];
  #nextPort: number;

  constructor(options: IpxeOptions) {
    this.#options = options;
    this.#nextPort = 1024 + randomInt(options.random, 60_000);
  }

  step(event: FirmwareEvent, now: MonotonicMs): readonly FirmwareAction[] {
    if (event.kind === 'power-on') return this.#powerOn(now);
    const phase = this.#phase;
    switch (phase.kind) {
      case 'dhcp': {
        if (event.kind === 'http') return NOTHING;
        const did =
          event.kind === 'wake'
            ? phase.dhcp.wake(now)
            : phase.dhcp.datagram(event.port, event.from, event.bytes, now);
        return [...did, ...this.#afterDhcp(phase.dhcp, now)];
      }
      case 'tftp': {
        if (event.kind === 'http') return NOTHING;
        const { fetch } = phase;
        const did =
          event.kind === 'wake' ? fetch.wake(now) : fetch.datagram(event.port, event.from, event.bytes, now);
        return [...did, ...this.#afterTftp(phase, now)];
      }
      case 'http':
        return this.#http(phase, event, now);
      case 'router':
        return event.kind === 'wake' && now >= phase.untilMs ? phase.go(now) : NOTHING;
      case 'pause':
        return event.kind === 'wake' && now >= phase.untilMs ? this.#runScript(now) : NOTHING;
      default:
        return NOTHING;
    }
  }

  nextWake(): MonotonicMs | undefined {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'dhcp':
        return phase.dhcp.nextWake();
      case 'tftp':
        return phase.fetch.nextWake();
      case 'http':
      case 'router':
        return phase.untilMs;
      case 'pause':
        return Number.isFinite(phase.untilMs) ? phase.untilMs : undefined;
      default:
        return undefined;
    }
  }

  #powerOn(now: MonotonicMs): readonly FirmwareAction[] {
    const { hardware, random, kind, loadedByPxe } = this.#options;
    const dhcp = new IpxeDhcp(ipxeDialect(kind, loadedByPxe), hardware, random);
    this.#phase = { kind: 'dhcp', dhcp };
    // The card is opened anew: what PXE had given it is gone.
    return [{ kind: 'configure', address: ANY_ADDRESS }, ...dhcp.start(now)];
  }

  #afterDhcp(dhcp: IpxeDhcp, now: MonotonicMs): readonly FirmwareAction[] {
    const { result } = dhcp;
    if (result === undefined) return NOTHING;
    if (result.kind === 'no-configuration') return this.#fail('NO-CONFIGURATION', 'no DHCP offer');
    const { file } = result;
    if (file === undefined) return this.#fail('NOTHING-TO-BOOT', 'no offer names a file and a server');
    this.#nextServer = file.server;
    const go = (later: MonotonicMs) => this.#fetch(file.name, 'autoboot', later);
    if (this.#options.hasRouter !== false || !this.#options.kind.startsWith('1')) return go(now);
    this.#phase = { kind: 'router', untilMs: now + ROUTER_WAIT_MS, go };
    return NOTHING;
  }

  /** A URL, a path at the server of the script in hand, or a bare name at the next-server by TFTP. */
  #fetch(name: string, purpose: Purpose, now: MonotonicMs, waitMs = HTTP_MS): readonly FirmwareAction[] {
    const url =
      name.includes('://') || !this.#scriptUrl.startsWith('http') ? name : joined(this.#scriptUrl, name);
    if (url.startsWith('http://')) {
      this.#phase = { kind: 'http', url, purpose, untilMs: now + waitMs };
      const headers = [
        ['Connection', 'keep-alive'],
        ['User-Agent', USER_AGENTS[this.#options.kind.startsWith('1') ? '1' : '2']],
      ] as const;
      return [{ kind: 'http', method: 'GET', url, headers }];
    }
    const tftp = /^tftp:\/\/([\d.]+)\/(.*)$/.exec(url);
    const address = (tftp === null ? undefined : parseIpv4(tftp[1] ?? '')) ?? this.#nextServer;
    const file = tftp?.[2] ?? url;
    const fetch = new TftpFetch(
      { server: { address, port: TFTP_PORT }, file, port: this.#port() },
      {
        options: [
          ['blksize', '1432'],
          ['tsize', '0'],
        ],
        waitsMs: TFTP_WAITS_MS,
      },
    );
    this.#phase = { kind: 'tftp', fetch, purpose };
    return fetch.start(now);
  }

  #port(): number {
    this.#nextPort = 1024 + ((this.#nextPort - 1023) % 64_000);
    return this.#nextPort;
  }

  #afterTftp({ fetch, purpose }: Phase & { kind: 'tftp' }, now: MonotonicMs): readonly FirmwareAction[] {
    const { result, target } = fetch;
    if (result === undefined) return NOTHING;
    if (result.kind !== 'file') {
      return this.#fetchFailed(purpose, `${target.file}: ${result.kind}`, now);
    }
    const { sizeBytes, body } = result;
    const file = { name: target.file, via: 'tftp', server: target.server.address, sizeBytes, body } as const;
    return this.#fetched(file, purpose, now);
  }

  #http(phase: Phase & { kind: 'http' }, event: FirmwareEvent, now: MonotonicMs): readonly FirmwareAction[] {
    const { url, purpose } = phase;
    if (event.kind === 'wake' && now >= phase.untilMs) {
      return this.#fetchFailed(purpose, `${url}: no answer`, now);
    }
    if (event.kind !== 'http') return NOTHING;
    const { status, sizeBytes, body } = event.answer;
    if (status !== 200) return this.#fetchFailed(purpose, `${url}: status ${status}`, now);
    const server = hostOf(url) ?? this.#nextServer;
    return this.#fetched({ name: url, via: 'http', server, sizeBytes, body }, purpose, now);
  }

  #fetchFailed(purpose: Purpose, why: string, now: MonotonicMs): readonly FirmwareAction[] {
    if (purpose === 'autoboot' || this.#script === undefined) return this.#fail('FETCH-FAILED', why);
    this.#script.resume(false);
    return this.#runScript(now);
  }

  #fetched(file: LoadedFile, purpose: Purpose, now: MonotonicMs): readonly FirmwareAction[] {
    if (purpose === 'kernel' || purpose === 'initrd') {
      this.#files.push(file.name);
      this.#script?.resume(true);
      return this.#runScript(now);
    }
    const text = toText(file.body);
    if (!IpxeScript.isScript(text)) {
      return this.#end({ kind: 'loaded', file, memory: undefined });
    }
    this.#script = new IpxeScript(text, this.#settings());
    this.#scriptUrl = file.name;
    return [{ kind: 'reached', stage: 'script', what: file.name }, ...this.#runScript(now)];
  }

  #runScript(now: MonotonicMs): readonly FirmwareAction[] {
    const wish = this.#script?.next() ?? { kind: 'failed', why: 'no script' };
    const isInstruction = !(wish.kind === 'fetch' && wish.command === 'chain') && wish.kind !== 'failed';
    if (this.#options.until === 'script' && isInstruction) {
      return this.#end({ kind: 'script', url: this.#scriptUrl });
    }
    return this.#grant(wish, now);
  }

  #grant(wish: ScriptWish, now: MonotonicMs): readonly FirmwareAction[] {
    switch (wish.kind) {
      case 'fetch':
        return this.#fetch(wish.url, wish.command, now, wish.timeoutMs);
      case 'pause':
        this.#phase = { kind: 'pause', untilMs: now + wish.ms };
        return NOTHING;
      case 'boot':
        return [
          { kind: 'reached', stage: 'files', what: this.#files.join(' ') },
          ...this.#end({ kind: 'agent', files: [...this.#files] }),
        ];
      case 'local-disk':
        return this.#end({ kind: 'local-disk' });
      case 'failed':
        return this.#fail('SCRIPT-FAILED', wish.why);
    }
  }

  #settings(): Settings {
    const { hardware, kind, settings } = this.#options;
    const isBios = kind.endsWith('bios');
    return new Map([
      ['netX/mac', hardware.mac],
      ['net0/mac', hardware.mac],
      ['mac', hardware.mac],
      ['uuid', formatUuid(hardware.uuid) ?? ''],
      ['platform', isBios ? 'pcbios' : 'efi'],
      ['buildarch', kind.endsWith('arm64') ? 'arm64' : isBios ? 'i386' : 'x86_64'],
      ['next-server', this.#nextServer],
      ...(settings ?? []),
    ]);
  }

  #fail(
    code: 'NO-CONFIGURATION' | 'NOTHING-TO-BOOT' | 'FETCH-FAILED' | 'SCRIPT-FAILED',
    why: string,
  ): readonly FirmwareAction[] {
    this.#phase = { kind: 'over' };
    return [failed(code, why)];
  }

  #end(outcome: BootOutcome): readonly FirmwareAction[] {
    this.#phase = { kind: 'over' };
    return [{ kind: 'end', outcome }];
  }
}

/** A name relative to the URL of the script that says it. */
function joined(base: string, name: string): string {
  const origin = /^http:\/\/[^/]+/.exec(base)?.[0] ?? '';
  return name.startsWith('/') ? `${origin}${name}` : `${base.slice(0, base.lastIndexOf('/') + 1)}${name}`;
}
