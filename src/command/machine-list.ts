// Reads a list of machines in CSV: columns serial, image, name, tags; every wrong line is told, with its number.
import {
  type Assignment,
  type AssignmentList,
  type MachineNote,
  MachineTag,
  NameTemplate,
} from '../api/machines.ts';
import { PeerbootError } from '../base/errors.ts';
import { templateFault } from '../boot/names.ts';
import { normaliseMachineName } from '../boot/plan.ts';

export interface ListRules {
  readonly allowNonBlank: boolean;
  readonly disk?: string | undefined;
  /** Word in the place of an image: the machine's own disk. */
  readonly localBoot: string;
}

const COLUMNS = ['serial', 'image', 'name', 'tags'] as const;
type Column = (typeof COLUMNS)[number];
/** Told at once; whoever has more begins with these. */
const MOST_FAULTS = 20;

/**
 * `text` as RFC 4180 has it, with `,` or `;` (as spreadsheets of many countries write). The first line names the columns, in
 * any order; `serial` must be there (also a MAC, UUID or id may stand in it), and of `image` and `tags` one in each line. Tags
 * are separated by blanks. Throws PB-LIST-INVALID that names every wrong line; then nothing was read.
 */
export function parseMachineList(text: string, rules: ListRules): AssignmentList {
  const rows = parseCsv(text.replace(/^\ufeff/, ''));
  const faults: string[] = [];
  const head = rows.shift();
  const columns = columnsOf(head, faults);
  const assignments: Assignment[] = [];
  const notes: MachineNote[] = [];
  const lineOf = new Map<string, number>();
  const names = new Map<string, number>();
  for (const { line, fields } of columns === undefined ? [] : rows) {
    const fault = (what: string) => faults.push(`line ${line}: ${what}`);
    if (fields.every((field) => field.trim() === '')) continue;
    if (fields.length > (head?.fields.length ?? 0))
      fault(`has ${fields.length} fields, the head has ${head?.fields.length}`);
    const cell = (column: Column) => fields[columns?.get(column) ?? -1]?.trim() ?? '';
    const [machine, image, name] = [cell('serial'), cell('image'), cell('name')];
    const tags = cell('tags').split(/\s+/).filter(Boolean);
    if (machine === '') fault('has no serial');
    else if (machine === '*' || machine.length > 128) fault(`${JSON.stringify(machine)} is no serial`);
    const before = lineOf.get(normaliseMachineName(machine).toUpperCase());
    if (machine !== '' && before !== undefined) fault(`serial ${machine} stands in line ${before}, too`);
    lineOf.set(normaliseMachineName(machine).toUpperCase(), line);
    if (image === '' && tags.length === 0) fault('has neither an image nor a tag');
    if (image.length > 256) fault('has an image name longer than 256 letters');
    for (const tag of tags) if (!MachineTag.safeParse(tag).success) fault(`${JSON.stringify(tag)} is no tag`);
    if (tags.length > 16) fault('has more than 16 tags');
    const wrong = name === '' ? undefined : nameFault(name);
    if (wrong !== undefined) fault(`name ${JSON.stringify(name)} ${wrong}`);
    const namesake = name.includes('{') || name === '' ? undefined : names.get(name.toLowerCase());
    if (namesake !== undefined) fault(`name ${name} stands in line ${namesake}, too`);
    names.set(name.toLowerCase(), line);
    notes.push({ machine, tags, ...(name === '' ? {} : { name }) });
    if (image === '') continue;
    const disk = {
      allowNonBlank: rules.allowNonBlank,
      ...(rules.disk === undefined ? {} : { match: rules.disk }),
    };
    const target: Assignment['target'] =
      image === rules.localBoot ? { kind: 'local-boot' } : { kind: 'image', image, disk };
    assignments.push({ machine, target });
  }
  if (faults.length === 0 && notes.length === 0) faults.push('there is no machine in it');
  if (faults.length > 0) {
    const more = faults.length > MOST_FAULTS ? `; and ${faults.length - MOST_FAULTS} more` : '';
    throw new PeerbootError('PB-LIST-INVALID', faults.slice(0, MOST_FAULTS).join('; ') + more);
  }
  return { assignments, notes };
}

function columnsOf(head: CsvRow | undefined, faults: string[]): Map<Column, number> | undefined {
  const columns = new Map<Column, number>();
  for (const [at, field] of (head?.fields ?? []).entries()) {
    const name = field.trim().toLowerCase();
    const column = COLUMNS.find((one) => one === name);
    if (column === undefined)
      faults.push(`line 1: column ${JSON.stringify(name)} is none of ${COLUMNS.join(', ')}`);
    else if (columns.has(column)) faults.push(`line 1: column ${column} stands there twice`);
    else columns.set(column, at);
  }
  if (!columns.has('serial')) faults.push('line 1: names no column serial');
  return faults.length === 0 ? columns : undefined;
}

function nameFault(name: string): string | undefined {
  const form = NameTemplate.safeParse(name);
  return form.success ? templateFault(name) : `is not of ${form.error.issues[0]?.message}`;
}

interface CsvRow {
  /** Where it begins, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** RFC 4180: fields in quotes may hold separators, line ends and doubled quotes. */
function parseCsv(text: string): CsvRow[] {
  const separator = /^[^\n,]*;/.test(text) ? ';' : ',';
  const rows: CsvRow[] = [];
  let fields: string[] = [];
  let field = '';
  let quoted = false;
  let line = 1;
  let begunAt = 1;
  const endRow = () => {
    rows.push({ line: begunAt, fields: [...fields, field] });
    fields = [];
    field = '';
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] as string;
    if (letter === '\n') line += 1;
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[at + 1] === '"') field += text[++at];
      else quoted = false;
    } else if (letter === '"' && field.trim() === '') {
      quoted = true;
      field = '';
    } else if (letter === separator) {
      fields.push(field);
      field = '';
    } else if (letter === '\n') {
      endRow();
      begunAt = line;
    } else if (letter !== '\r') field += letter;
  }
  if (quoted)
    throw new PeerbootError('PB-LIST-INVALID', `line ${begunAt}: a quote is opened and never closed`);
  if (field !== '' || fields.length > 0) endRow();
  return rows;
}
