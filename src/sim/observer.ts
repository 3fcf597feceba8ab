// What the world sees of its nodes, whatever they believe themselves: checkers, figures and the trace listen here.
import type { LineNote, Row, SourceId } from '../swarm/line-ports.ts';
import type { PeerId } from '../swarm/site.ts';

export interface Observer {
  /** Something befalls the site, in words. */
  befell(what: string): void;
  /** Bytes `begin` to `end` of a chunk have come and are part of what the node has of it. */
  received(node: PeerId, from: SourceId, row: Row, begin: number, end: number): void;
  /** Bytes that came for nothing, since they were no longer wanted. */
  strayed(node: PeerId, from: SourceId, bytes: number): void;
  /** A chunk whose bytes the world knows to be wrong was thrown away. */
  discarded(node: PeerId, from: SourceId, row: Row, bytes: number): void;
  /** From now on the node holds the chunk and passes it on. */
  kept(node: PeerId, row: Row, bad: boolean): void;
  /** The node begins to serve the chunk; `held`: it does hold it, `bad`: the bytes that it holds are wrong. */
  serves(node: PeerId, to: PeerId, row: Row, held: boolean, bad: boolean): void;
  /** Bytes that crossed the WAN for this node. */
  crossed(node: PeerId, bytes: number): void;
  noted(node: PeerId, what: LineNote, reason: string, peer: SourceId | undefined): void;
  /** The machine gave a wanted chunk up. */
  gaveUp(node: PeerId, row: Row, what: string): void;
}

const nothing = () => {};

/** Listens to nothing: with one of its parts replaced, to that alone. */
export const SILENT: Observer = {
  ...{
    befell: nothing,
    received: nothing,
    strayed: nothing,
    discarded: nothing,
    kept: nothing,
    serves: nothing,
  },
  ...{ crossed: nothing, noted: nothing, gaveUp: nothing },
};

/** Tells several observers. */
export function together(observers: readonly Observer[]): Observer {
  return {
    befell: (what) => {
      for (const one of observers) one.befell(what);
    },
    received: (...facts) => {
      for (const one of observers) one.received(...facts);
    },
    strayed: (...facts) => {
      for (const one of observers) one.strayed(...facts);
    },
    discarded: (...facts) => {
      for (const one of observers) one.discarded(...facts);
    },
    kept: (...facts) => {
      for (const one of observers) one.kept(...facts);
    },
    serves: (...facts) => {
      for (const one of observers) one.serves(...facts);
    },
    crossed: (...facts) => {
      for (const one of observers) one.crossed(...facts);
    },
    noted: (...facts) => {
      for (const one of observers) one.noted(...facts);
    },
    gaveUp: (...facts) => {
      for (const one of observers) one.gaveUp(...facts);
    },
  };
}
