// From a request to what will be sent: options, file names as ROMs write them, and refusals.
import { describe, expect, it } from 'vitest';
import { FileNames } from '../../src/tftp/names.ts';
import { type Agreement, negotiate, type Refusal } from '../../src/tftp/negotiate.ts';
import type { TftpOption, TftpRequest } from '../../src/tftp/packet.ts';

const names = new FileNames([
  'undionly.kpxe',
  'snponly.efi',
  'grub/x86_64-efi/normal.mod',
  'README',
  'readme',
]);
const rules = {
  maxBlksize: 1468,
  find(requested: string) {
    const name = names.find(requested);
    return name === undefined ? undefined : { name, sizeBytes: 70_000 };
  },
};
const ask = (change: Partial<TftpRequest> = {}) =>
  negotiate({ kind: 'read', file: 'snponly.efi', mode: 'octet', options: [], ...change }, rules);
const agreed = (...options: TftpOption[]) => ask({ options }) as Agreement;

describe('options', () => {
  it('none asked: 512-byte blocks, one at a time, no OACK', () => {
    expect(ask()).toEqual({
      file: 'snponly.efi',
      sizeBytes: 70_000,
      blksize: 512,
      windowsize: 1,
      timeoutMs: undefined,
      options: [],
    });
  });

  const rows: [string, TftpOption[], Partial<Agreement>][] = [
    ['blksize as asked', [['blksize', '1024']], { blksize: 1024, options: [['blksize', '1024']] }],
    [
      'blksize bounded by the link',
      [['blksize', '65464']],
      { blksize: 1468, options: [['blksize', '1468']] },
    ],
    ['blksize beyond RFC 2348 is bounded too', [['blksize', '70000']], { blksize: 1468 }],
    ['blksize below 8 is left out', [['blksize', '7']], { blksize: 512, options: [] }],
    ['tsize answers the size', [['tsize', '0']], { options: [['tsize', '70000']] }],
    ['timeout is echoed', [['timeout', '3']], { timeoutMs: 3000, options: [['timeout', '3']] }],
    [
      'timeout 0 and 256 are left out',
      [
        ['timeout', '0'],
        ['timeout', '256'],
      ],
      { timeoutMs: undefined, options: [] },
    ],
    ['windowsize as asked', [['windowsize', '4']], { windowsize: 4, options: [['windowsize', '4']] }],
    ['windowsize never above ours', [['windowsize', '65535']], { windowsize: 64 }],
    ['windowsize 0 is left out', [['windowsize', '0']], { windowsize: 1, options: [] }],
    [
      'unknown options are left out',
      [
        ['rollover', '0'],
        ['tsize', '0'],
      ],
      { options: [['tsize', '70000']] },
    ],
    [
      'names in any case, echoed as written',
      [['BlkSize', '600']],
      { blksize: 600, options: [['BlkSize', '600']] },
    ],
    [
      'the first of two counts',
      [
        ['blksize', '600'],
        ['blksize', '700'],
      ],
      { blksize: 600 },
    ],
    [
      'not a number',
      [
        ['blksize', '0x200'],
        ['windowsize', '-1'],
        ['tsize', ''],
      ],
      { options: [] },
    ],
    [
      'the order asked is the order answered',
      [
        ['windowsize', '2'],
        ['tsize', '0'],
        ['blksize', '9'],
      ],
      {
        options: [
          ['windowsize', '2'],
          ['tsize', '70000'],
          ['blksize', '9'],
        ],
      },
    ],
  ];
  it.each(rows)('%s', (_name, options, expected) => {
    expect(agreed(...options)).toMatchObject(expected);
  });
});

describe('refusals', () => {
  const rows: [string, Partial<TftpRequest>, Refusal][] = [
    ['writing', { kind: 'write' }, { code: 2, message: 'read-only server' }],
    ['netascii', { mode: 'netascii' }, { code: 4, message: 'octet (binary) mode only' }],
    ['an unknown file', { file: 'pxelinux.0' }, { code: 1, message: 'no such file' }],
  ];
  it.each(rows)('%s', (_name, change, expected) => {
    expect(ask(change)).toEqual(expected);
  });
  it('the mode is read in any case', () => {
    expect(ask({ mode: 'OCTET' })).toMatchObject({ file: 'snponly.efi' });
  });
});

describe('file names', () => {
  it.each([
    ['/snponly.efi', 'snponly.efi'],
    ['\\SNPONLY.EFI', 'snponly.efi'],
    ['//snponly.efi', 'snponly.efi'],
    ['./snponly.efi', 'snponly.efi'],
    ['undionly.kpxe\xff', 'undionly.kpxe'],
    ['undionly.kpxe\0\xff\xff', 'undionly.kpxe'],
    ['undionly.kpxe ', 'undionly.kpxe'],
    ['\\GRUB\\x86_64-EFI\\\\normal.MOD', 'grub/x86_64-efi/normal.mod'],
    ['README', 'README'],
    ['readme', 'readme'],
    ['ReadMe', 'README'],
  ])('%j finds %s', (requested, name) => {
    expect(names.find(requested)).toBe(name);
  });

  it.each([
    '../snponly.efi',
    'grub/../snponly.efi',
    '..\\..\\etc\\passwd',
    '/etc/passwd',
    '/etc/passwd\0snponly.efi',
    'grub',
    '',
    '/',
    '\0',
    '__proto__',
    'constructor',
  ])('%j finds nothing', (requested) => {
    expect(names.find(requested)).toBeUndefined();
  });
});
