// Lists of machines in CSV as spreadsheets write them, and every slip told with its line.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMachineList } from '../../src/command/machine-list.ts';

const rules = { allowNonBlank: true, localBoot: 'local' };
const read = (text: string) => parseMachineList(text, rules);
const wrong = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    expect(error).toMatchObject({ code: 'PB-LIST-INVALID' });
    return (error as Error).message;
  }
  return 'was taken';
};

describe('a list', () => {
  const expected = {
    assignments: [
      {
        machine: 'SN-1',
        target: { kind: 'image', image: 'till@2', disk: { allowNonBlank: true } },
      },
      { machine: 'SN,2', target: { kind: 'local-boot' } },
    ],
    notes: [
      { machine: 'SN-1', name: 'till-1', tags: ['front', 'new'] },
      { machine: 'SN,2', tags: [] },
      { machine: 'SN-3', tags: ['back'] },
    ],
  };
  it.each([
    [
      'as RFC 4180 has it',
      'serial,image,name,tags\r\nSN-1,till@2,till-1,front new\r\n"SN,2",local,,\r\nSN-3,,,back\r\n',
    ],
    [
      'from a spreadsheet with semicolons',
      '\ufeffSerial;Image;Name;Tags\nSN-1;till@2;till-1;front new\n"SN,2";local;;\nSN-3;;;back',
    ],
    [
      'in another order, with empty lines',
      'tags,name,serial,image\n\n front  new,till-1, SN-1 ,till@2\n,,"SN,2",local\n,,,\nback,,SN-3,',
    ],
  ])('%s', (_, text) => expect(read(text)).toEqual(expected));

  it('as the example shows it', () => {
    const text = readFileSync(new URL('../../examples/machines.csv', import.meta.url), 'utf8');
    expect(read(text)).toMatchObject({ assignments: { length: 2 }, notes: { length: 3 } });
  });
});

describe('a slip', () => {
  it.each([
    ['no such column', 'serial,imgae\nA1,x', 'line 1: column "imgae"'],
    ['no serial column', 'image\nx', 'line 1: names no column serial'],
    ['no serial', 'serial,image\n,x', 'line 2: has no serial'],
    ['all machines', 'serial,image\n*,x', 'line 2: "*" is no serial'],
    ['neither image nor tag', 'serial,image\nA1,', 'line 2: has neither'],
    ['a serial twice', 'serial,image\nA1,x\nB2,x\na1,y', 'line 4: serial a1 stands in line 2'],
    ['a name twice', 'serial,image,name\nA1,x,till\nB2,x,TILL', 'line 3: name TILL stands in line 2'],
    ['a bad name', 'serial,image,name\nA1,x,my till', 'line 2: name "my till"'],
    ['a bad template', 'serial,image,name\nA1,x,till-{x}', 'line 2: name "till-{x}" knows {store}'],
    ['a bad tag', 'serial,image,tags\nA1,x,FRONT', 'line 2: "FRONT" is no tag'],
    ['too many fields', 'serial,image\nA1,x,y', 'line 2: has 3 fields'],
    ['lines after a quoted line end', 'serial,image\n"A\n1",x\n,y', 'line 4: has no serial'],
    ['an open quote', 'serial,image\n"A1,x', 'line 2: a quote'],
    ['nothing', '', 'names no column serial'],
    ['a head alone', 'serial,image\n', 'there is no machine'],
  ])('%s', (_, text, told) => expect(wrong(text)).toContain(told));

  it('does not hide the others', () => {
    const told = wrong(`serial,image\n${'A1,\n'.repeat(30)}`);
    expect(told.split('; ').length).toBe(21);
    expect(told).toContain('more');
  });

  it('of any kind is an error with a line, or none at all', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        const told = wrong(`serial,image,name,tags\n${text}`);
        expect(told === 'was taken' || /line \d+|no machine/.test(told)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
