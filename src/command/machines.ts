// `peerboot machines`: the ladder of every machine at the running peer, live on a terminal.
import { MachineView } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { ladderLines } from './ladder.ts';
import { printJson } from './terminal.ts';

export interface MachinesOptions extends PeerAddressOptions {
  readonly watch?: boolean;
  /** Only those that wait to be approved. */
  readonly waiting?: boolean;
  readonly json?: boolean;
}

/** With `--json` one line `{"machines":[…]}`, or with `--watch` one line for each change. */
export async function machines(options: MachinesOptions): Promise<void> {
  const client = adminClient(options);
  const live =
    options.watch ?? (process.stdout.isTTY === true && options.json !== true && options.waiting !== true);
  if (!live) {
    const answer = (await client.get(ROUTES.machines)) as { machines: unknown };
    const all = MachineView.array().parse(answer.machines);
    const list = options.waiting === true ? all.filter(({ waiting }) => waiting !== undefined) : all;
    if (options.json === true) printJson({ machines: list });
    else console.log(ladderLines(list, Date.now()).join('\n'));
    return;
  }
  const ended = new AbortController();
  process.once('SIGINT', () => ended.abort());
  process.once('SIGTERM', () => ended.abort());
  const show = options.json === true ? (one: MachineView) => printJson(one) : redraw(client.base);
  try {
    for await (const event of serverEvents(client.stream(ROUTES.machineEvents, ended.signal))) {
      if (event.name !== 'machine') continue;
      const machine = MachineView.parse(JSON.parse(event.data));
      if (options.waiting !== true || machine.waiting !== undefined) show(machine);
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error;
  }
}

/** Draws all machines anew over the last drawing. */
function redraw(base: string): (machine: MachineView) => void {
  const all = new Map<string, MachineView>();
  let drawn = 0;
  const draw = () => {
    const lines = [`Machines at ${base} (Ctrl-C ends)`, ...ladderLines([...all.values()], Date.now())];
    const home = drawn === 0 ? '' : `\u001b[${drawn}A\u001b[J`;
    process.stdout.write(`${home}${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  draw();
  return (machine) => {
    all.set(machine.id, machine);
    draw();
  };
}

interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

/** Server-sent events (WHATWG HTML §9.2): fields in lines, an empty line ends an event, `:` begins a comment. */
export async function* serverEvents(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of pieces) {
    rest += decoder.decode(piece, { stream: true });
    const events = rest.split('\n\n');
    rest = events.pop() ?? '';
    for (const text of events) {
      const lines = text.split('\n').filter((line) => !line.startsWith(':'));
      const field = (name: string) =>
        lines
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).trimStart())
          .join('\n');
      if (lines.length > 0) yield { name: field('event') || 'message', data: field('data') };
    }
  }
}
