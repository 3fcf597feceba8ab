// Our end of a connection to a feeder: asks for chunks and reads them straight into their buffers.
import { WireError } from '../base/errors.ts';
import type { Timers } from '../base/time.ts';
import { MAX_CHUNK_BYTES } from '../chunk/tables.ts';
import type { FeederMessage, FollowerMessage } from '../swarm/line-messages.ts';
import type { Row } from '../swarm/line-ports.ts';
import type { LineSocketEvents, LineTransport } from '../swarm/line-transport.ts';
import type { LineImage } from '../swarm/node-ports.ts';
import type { PeerRef } from '../swarm/site.ts';
import { type ControlFrame, encodeControl, type Hello, type PartHead } from '../swarm/wire.ts';
import { WireDecoder } from '../swarm/wire-decoder.ts';
import { copyOf, type Partial } from './line-partials.ts';

export interface FeederOptions {
  readonly to: PeerRef;
  readonly hello: Hello;
  readonly image: LineImage;
  /** Are chunks taken in another zstd frame, too? */
  readonly takesRepacked: boolean;
  readonly transport: LineTransport;
  readonly timers: Timers;
  onOpen(): void;
  onMessage(message: FeederMessage): void;
  /** Bytes of a wanted chunk, the moment they have come. */
  onBytes(bytes: number): void;
  /** Bytes that nobody needs any more, the moment they have come. */
  onStray(bytes: number): void;
  /** What had come of a chunk is of no use. */
  onWaste(bytes: number): void;
  /** All of it is there, unproved; it is no longer wanted from here. */
  onWhole(row: Row, partial: Partial): void;
  /** Not after `close`. What had come is to be had by `take` before this returns. */
  onLost(why: string): void;
}

export interface Feeder {
  tell(message: FollowerMessage): void;
  /** From the byte on that `partial` still needs. */
  want(row: Row, partial: Partial): void;
  /** No longer wanted; returns what has come of it. */
  unwant(row: Row): Partial | undefined;
  wanted(): readonly Row[];
  /** A view of the chunk under way; not to be written into. */
  peek(row: Row): Partial | undefined;
  pause(): void;
  resume(): void;
  close(): void;
}

const HELLO_MS = 2_000;
/** Nothing to say for so long: say so, for a silent follower is dropped. */
const ALIVE_MS = 3_000;
/** A chunk of the greatest plain size that no zstd level makes smaller: its frame is a little longer. */
const MAX_REPACKED_BYTES = MAX_CHUNK_BYTES + 256 * 1024;

interface Target {
  readonly row: Row;
  readonly partial: Partial;
  /** Bytes of the part that are here already, from an earlier want. */
  skip: number;
}

export function dialFeeder(options: FeederOptions): Feeder {
  const { to, image, timers } = options;
  const wants = new Map<Row, Partial>();
  /** Wanted from here and taken back: parts of them may still be on their way, but so many bytes at most. */
  const strays = new Set<Row>();
  let strayBytes = 0;
  /** Where the bytes of the part under way go; undefined: nowhere. */
  let target: Target | undefined;
  let greeted = false;
  let closed = false;
  let saidSomething = false;

  const decoder = new WireDecoder({ frame: onFrame, part: onPart, bytes: onPartBytes });

  function onFrame(frame: ControlFrame): WireError | undefined {
    if (!greeted) {
      if (frame.kind !== 'hello') return new WireError(`${frame.kind} before hello`);
      if (frame.id !== to.id || frame.manifest !== image.manifest) {
        return new WireError(`${frame.id} answers, or for another image`);
      }
      greeted = true;
      cancelTimer();
      cancelTimer = timers.after(ALIVE_MS, beat);
      options.onOpen();
      return undefined;
    }
    switch (frame.kind) {
      case 'hello':
      case 'attach':
      case 'join':
      case 'want':
      case 'unwant':
      case 'got':
      case 'alive':
        return new WireError(`a feeder does not say ${frame.kind}`);
      case 'missing': {
        if (frame.row >= image.rows) return new WireError(`missing row ${frame.row} of ${image.rows}`);
        break;
      }
      case 'have':
        if (frame.row >= image.rows) return new WireError(`has row ${frame.row} of ${image.rows}`);
        break;
      case 'holds':
        if (frame.rows.length !== Math.ceil(image.rows / 8)) return new WireError('holds of another length');
        break;
    }
    options.onMessage(frame);
    return undefined;
  }

  function onPart(head: PartHead): WireError | undefined {
    target = undefined;
    const partial = greeted ? wants.get(head.row) : undefined;
    if (partial === undefined) return stray(head, 'a chunk that was not asked for');
    const problem = agree(head, partial);
    if (problem !== undefined) return problem;
    const skip = partial.received - head.offset;
    if (skip < 0 || skip >= head.length) return stray(head, `byte ${head.offset}, not ${partial.received}`);
    target = { row: head.row, partial, skip };
    return undefined;
  }

  /** The buffer of the chunk is made when its first part comes, and never longer than what was asked for. */
  function agree(head: PartHead, partial: Partial): WireError | undefined {
    if (head.form === 'repacked') {
      if (!options.takesRepacked) return new WireError('a repacked chunk was not asked for');
      if (head.size > MAX_REPACKED_BYTES) return new WireError(`a repacked chunk of ${head.size} bytes`);
    } else if (head.size !== image.storedBytes(head.row)) {
      return new WireError(`chunk of ${head.size} bytes, not ${image.storedBytes(head.row)}`);
    }
    const begun = partial.bytes !== undefined && partial.received > 0;
    if (begun && (partial.form !== head.form || partial.bytes?.length !== head.size)) {
      if (head.offset !== 0) return new WireError('a chunk goes on in another form');
      options.onWaste(partial.received);
      partial.received = 0;
      partial.from.clear();
    }
    if (partial.bytes?.length !== head.size) partial.bytes = options.transport.buffer(head.size);
    partial.form = head.form;
    return undefined;
  }

  function stray(head: PartHead, what: string): WireError | undefined {
    strayBytes -= head.length;
    return strays.has(head.row) && strayBytes >= 0 ? undefined : new WireError(what);
  }

  function onPartBytes(bytes: Uint8Array): WireError | undefined {
    if (target === undefined) {
      options.onStray(bytes.length);
      return undefined;
    }
    const { partial, row } = target;
    const skipped = Math.min(target.skip, bytes.length);
    target.skip -= skipped;
    if (skipped > 0) options.onStray(skipped);
    const rest = bytes.subarray(skipped);
    const whole = partial.bytes as Uint8Array;
    const inPlace = rest.buffer === whole.buffer && rest.byteOffset === whole.byteOffset + partial.received;
    if (!inPlace) whole.set(rest, partial.received);
    partial.received += rest.length;
    partial.from.add(to.id);
    if (rest.length > 0) options.onBytes(rest.length);
    if (decoder.partLeft === 0) target = undefined;
    if (partial.received === whole.length) {
      wants.delete(row);
      send({ kind: 'got', row });
      options.onWhole(row, partial);
    }
    return undefined;
  }

  function lost(why: string): void {
    if (closed) return;
    closed = true;
    cancelTimer();
    socket.destroy();
    options.onLost(why);
  }

  function send(frame: ControlFrame): void {
    if (closed) return;
    saidSomething = true;
    socket.send([encodeControl(frame)]);
  }

  function beat(): void {
    if (!saidSomething) send({ kind: 'alive' });
    saidSomething = false;
    cancelTimer = timers.after(ALIVE_MS, beat);
  }

  const events: LineSocketEvents = {
    onOpen: () => send(options.hello),
    onBytes(bytes) {
      if (closed) return;
      const problem = decoder.push(bytes);
      if (problem !== undefined) lost(`nonsense: ${problem.message}`);
    },
    room() {
      if (target === undefined || target.skip > 0 || decoder.partLeft === 0) return undefined;
      const { bytes, received } = target.partial;
      return bytes?.subarray(received, received + decoder.partLeft);
    },
    onClose: lost,
  };
  let cancelTimer = timers.after(HELLO_MS, () => lost('no hello'));
  const socket = options.transport.dial(to, events);

  return {
    tell: send,
    want(row, partial) {
      wants.set(row, partial);
      send({
        kind: 'want',
        row,
        from: partial.form === 'stored' ? partial.received : 0,
        repacked: options.takesRepacked,
      });
    },
    unwant(row) {
      const partial = wants.get(row);
      if (partial === undefined) return undefined;
      wants.delete(row);
      strays.add(row);
      strayBytes += partial.bytes?.length ?? image.storedBytes(row);
      send({ kind: 'unwant', row });
      if (target?.row !== row) return partial;
      // The socket may be reading into its buffer at this moment.
      target = undefined;
      return copyOf(partial);
    },
    wanted: () => [...wants.keys()],
    peek: (row) => wants.get(row),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close() {
      if (closed) return;
      closed = true;
      cancelTimer();
      socket.destroy();
    },
  };
}
