// Follows an image plan: looks the image up, chooses the disk, images it, tells how it goes, and finishes.
import type { CheckInAnswer, Plan } from '../api/agent.ts';
import type { CatalogueImage } from '../api/catalogue.ts';
import type { Receipt } from '../api/identity.ts';
import { ROUTES } from '../api/routes.ts';
import type { Digest } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { ticketId } from '../boot/ticket.ts';
import { chooseDisk, diskText } from '../imaging/disk-choice.ts';
import { isWithheld } from '../imaging/proof.ts';
import type { TargetDisk } from '../imaging/target-disk.ts';
import { type AgentTiming, pause } from './agent.ts';
import { Imaging, type Sealed } from './imaging.ts';
import { fetchTables, findImage, type ImageTables } from './manifest.ts';
import type { Narrator } from './narrator.ts';
import type { AgentPorts, MachineFacts, Source } from './ports.ts';
import type { Step } from './screen.ts';
import { SiteLine } from './site-line.ts';

type ImagePlan = Extract<Plan, { kind: 'image' }>;

/** An imaging that was begun, kept so that it can go on after trouble with sources. */
interface Begun {
  readonly manifest: Digest;
  /** Which image on which disk. */
  readonly attempt: string;
  readonly disk: TargetDisk;
  readonly imaging: Imaging;
  readonly line: SiteLine;
  readonly tables: ImageTables;
}

export interface FollowOptions {
  readonly bootId: string;
  readonly timing: AgentTiming;
  readonly ask: () => Promise<CheckInAnswer>;
}

export class FollowImage {
  readonly #ports: AgentPorts;
  readonly #narrator: Narrator;
  readonly #options: FollowOptions;
  #begun: Begun | undefined;
  /** Image and disk → why they failed for good: the same is not written again and again. */
  readonly #hopeless = new Map<string, PeerbootError>();
  readonly #proved = new Set<Digest>();
  #fetchedBytes = 0;
  #refetchedChunks = 0;
  #servedBytes = 0;
  #diskName: string | undefined;
  #ticket: string | undefined;
  /** As the boot host that was asked last calls this machine. */
  #machine = '';
  /** When a boot host was last heard. */
  #heardMs: MonotonicMs = 0;

  /** Of the plan that is being followed. */
  get ticket(): string | undefined {
    return this.#ticket;
  }

  constructor(ports: AgentPorts, narrator: Narrator, options: FollowOptions) {
    this.#ports = ports;
    this.#narrator = narrator;
    this.#options = options;
  }

  /** True when the machine is leaving; false when the plan has changed and is to be asked for again. */
  async image(answer: CheckInAnswer, plan: ImagePlan): Promise<boolean> {
    const bases = [this.#ports.peer.base + ROUTES.content, ...answer.sources];
    if (answer.swarm !== undefined) this.#ports.site.open(answer.swarm, { wan: answer.sources.length > 0 });
    const source = this.#ports.content.open(bases, this.#served);
    this.#ticket = plan.ticket;
    this.#machine = answer.machine;
    this.#heardMs = this.#ports.clock.nowMs();
    if (plan.name !== undefined) this.#narrator.tell({ name: plan.name });
    try {
      const begun = await this.#begin(source, answer, plan);
      begun.imaging.receipt = receiptOf(answer.machine, plan);
      const sealed = await this.#drive(plan, source, begun);
      if (sealed === undefined) {
        await this.#giveUp(begun);
        return false;
      }
      await this.#finish(plan, sealed);
      return true;
    } finally {
      await source.close();
    }
  }

  /** Shows the failure and tells the peer, once; whoever cannot be told now is told after the next try. */
  async failed(machine: string, error: PeerbootError): Promise<void> {
    this.#machine = machine;
    this.#ports.log.error({ code: error.code, err: error }, 'failed');
    this.#narrator.fail(error);
    await this.#report();
    if (this.#begun === undefined || this.#begun.imaging.canResume) return;
    this.#hopeless.set(this.#begun.attempt, error);
    await this.#giveUp(this.#begun);
  }

  /** The machine is about to leave for another reason: nobody shall wait for what it began. */
  async end(): Promise<void> {
    if (this.#begun !== undefined) await this.#giveUp(this.#begun);
    await this.#ports.site.close();
  }

  readonly #served = (source: string): void => this.#narrator.tell({ source });

  async #begin(source: Source, answer: CheckInAnswer, plan: ImagePlan): Promise<Begun> {
    this.#step('prepare', { image: `${plan.image.name} ${plan.image.version}` });
    const { content, machine } = this.#ports;
    const image = await findImage(content, source, plan.image);
    if (this.#begun?.manifest === image.manifest.digest) return this.#begun;
    if (this.#begun !== undefined) await this.#giveUp(this.#begun);
    requireFirmware(image, machine.facts());
    const decision = chooseDisk(machine.facts().disks, image.imageBytes, plan.disk);
    if (decision.kind === 'refusal') throw new PeerbootError(decision.code, decision.what);
    this.#narrator.tell({ disk: `${decision.disk.name} (${diskText(decision.disk)})` });
    const { name, serial, sizeBytes } = decision.disk;
    const attempt = [image.manifest.digest, name, serial, sizeBytes].join(' ');
    const failedBefore = this.#hopeless.get(attempt);
    if (failedBefore !== undefined) throw failedBefore;
    const tables = await fetchTables(content, source, image);
    const disk = machine.openDisk(decision.disk);
    this.#diskName = name;
    const { clock, timers, log } = this.#ports;
    let line: SiteLine | undefined;
    const imaging = new Imaging(tables, {
      clock,
      timers,
      log,
      disk,
      proved: this.#proved,
      memoryBytes: machine.feedingMemoryBytes,
      got: (chunk) => line?.got(chunk),
      lost: (chunk) => line?.lost(chunk),
      changed: () => this.#show(),
    });
    const manifest = image.manifest.digest;
    const { rows } = imaging;
    line = await SiteLine.join(this.#ports, {
      answer,
      manifest,
      tables,
      rows,
      served: this.#served,
      patienceMs: this.#options.timing.lineMs,
    });
    this.#begun = { manifest, attempt, disk, imaging, line, tables };
    return this.#begun;
  }

  /** Undefined when the plan changed meanwhile. */
  async #drive(plan: ImagePlan, source: Source, { imaging, line }: Begun): Promise<Sealed | undefined> {
    let sealed: Sealed | undefined;
    let over = false;
    const work = imaging.run({ chunks: line.before(source), others: source }).then((result) => {
      sealed = result;
    });
    const ended = work.finally(() => {
      over = true;
    });
    ended.catch(() => {});
    while (!over) {
      await Promise.race([ended, pause(this.#ports, this.#options.timing.reportMs)]);
      if (over) break;
      this.#show();
      const next = await this.#report();
      const asks = next === 'restart' || this.#isForsaken();
      if (asks && (await this.#isOtherImage(plan, imaging))) return undefined;
    }
    await work;
    return sealed;
  }

  /** Time to look for another boot host: who watches the machine must not lose sight of it. */
  #isForsaken(): boolean {
    const isSilent = this.#ports.clock.nowMs() - this.#heardMs >= this.#options.timing.silentMs;
    // Whatever comes of it, the next look is as far away.
    if (isSilent) this.#heardMs = this.#ports.clock.nowMs();
    return isSilent;
  }

  /**
   * A peer that was restarted asks for a check-in. Only another image ends what has been begun: a peer that has
   * forgotten its assignments says local-boot, and a half-written disk cannot boot.
   */
  async #isOtherImage(plan: ImagePlan, imaging: Imaging): Promise<boolean> {
    try {
      const { machine, plan: now } = await this.#options.ask();
      this.#machine = machine;
      this.#narrator.tell({ peer: this.#ports.peer.base });
      if (now.kind !== 'image') return false;
      if (now.image.name !== plan.image.name || now.image.version !== plan.image.version) return true;
      // The same image, assigned anew or by a peer that has forgotten: it goes on under the ticket of now.
      this.#ticket = now.ticket;
      imaging.receipt = receiptOf(machine, now);
      return false;
    } catch (error) {
      this.#ports.log.info({ err: error }, 'check-in during imaging failed');
      return false;
    }
  }

  async #finish(plan: ImagePlan, sealed: Sealed): Promise<void> {
    const { log, clock } = this.#ports;
    if (sealed.system !== undefined) {
      // Without an entry the firmware still finds the fallback program on the disk: no reason to fail.
      await this.#ports.machine
        .setBootEntry(`Peerboot ${plan.image.name}`, sealed.system)
        .catch((error) => log.warn({ err: error }, 'boot entry not set'));
    }
    this.#narrator.step('done');
    // A peer that does not hear of it would image the machine again when it next starts from the network.
    const until = clock.nowMs() + this.#options.timing.farewellMs;
    while ((await this.#report()) === undefined && clock.nowMs() < until) {
      this.#narrator.tell({ note: 'Telling the peer, which does not answer' });
      if (this.#isForsaken() && (await this.#isKnownElsewhere())) break;
      await pause(this.#ports, this.#options.timing.reportMs);
    }
    this.#narrator.tell({ note: undefined });
    if (plan.finish === 'stay') return this.#stay();
    await Promise.all([pause(this.#ports, this.#options.timing.lingerMs), this.end()]);
    if (plan.finish === 'reboot') this.#narrator.step('leave');
    await this.#ports.machine.leave(plan.finish);
  }

  /** Another boot host has taken our check-in instead: it has seen the receipt on the disk, and knows as well. */
  async #isKnownElsewhere(): Promise<boolean> {
    const before = this.#ports.peer.base;
    const answer = await this.#options.ask().catch(() => undefined);
    return answer !== undefined && this.#ports.peer.base !== before;
  }

  /** A machine that stays goes on feeding others. */
  #stay(): void {
    if (this.#begun === undefined) return;
    this.#narrator.tell({ feeding: this.#begun.line.feeding(this.#ports.clock.nowMs()) });
    this.#ports.timers.after(this.#options.timing.reportMs, () => this.#stay());
  }

  async #giveUp(begun: Begun): Promise<void> {
    begun.imaging.abandon();
    this.#begun = undefined;
    await begun.line.leave();
    await begun.disk.close();
  }

  async #report(): Promise<'go-on' | 'restart' | undefined> {
    if (this.#begun !== undefined) {
      const { imaging, line } = this.#begun;
      this.#fetchedBytes = imaging.fetchedBytes;
      this.#refetchedChunks = imaging.refetchedChunks;
      this.#servedBytes = line.servedBytes;
    }
    const counts = {
      fetchedBytes: this.#fetchedBytes,
      refetchedChunks: this.#refetchedChunks,
      servedBytes: this.#servedBytes,
    };
    try {
      const report = this.#narrator.report(this.#machine, this.#options.bootId, counts, this.#diskName);
      const proof = {
        ...(this.#ticket === undefined ? {} : { ticket: this.#ticket }),
        ...(this.#begun?.imaging.wiped === true ? { wiped: true } : {}),
      };
      const { next } = await this.#ports.peer.report({ ...report, ...proof });
      this.#heardMs = this.#ports.clock.nowMs();
      return next;
    } catch (error) {
      this.#ports.log.info({ err: error }, 'report not delivered');
      return undefined;
    }
  }

  /** Puts the session's numbers on the screen. */
  #show(): void {
    const begun = this.#begun;
    if (begun === undefined) return;
    const { session } = begun.imaging;
    const now = this.#ports.clock.nowMs();
    const feeding = begun.line.feeding(now);
    if (session.phase === 'fetching') {
      if (this.#narrator.state.step !== 'imaging')
        this.#narrator.measure('imaging', begun.imaging.totalPlainBytes, now);
      this.#narrator.progress(session.writtenBytes, now, { note: session.trouble, feeding });
    } else if (session.phase !== 'failed' && session.phase !== 'complete') {
      if (this.#narrator.state.step !== 'verifying')
        this.#narrator.measure('verifying', provable(begun.tables), now);
      this.#narrator.progress(session.provedBytes, now, { feeding });
    }
  }

  /** A failure stays on the screen while it is tried again, until something really moves. */
  #step(step: Step, change: { image: string }): void {
    if (this.#narrator.state.step === 'failed') this.#narrator.tell(change);
    else this.#narrator.step(step, change);
  }
}

/** Without a ticket (a peer of another make) there is nothing to be told apart by it later. */
function receiptOf(machine: string, { image, name, ticket }: ImagePlan): Receipt | undefined {
  if (ticket === undefined) return undefined;
  const named = name === undefined ? {} : { name };
  return { ticket: ticketId(ticket), machine, image: `${image.name}@${image.version}`, ...named };
}

/** A disk that this machine cannot boot from shall not be written: it would be found out only when the old one is gone. */
function requireFirmware(
  { name, version, firmwares = [], unsigned = [] }: CatalogueImage,
  { firmware, architecture, secureBoot }: MachineFacts,
): void {
  const own = firmware === 'bios' ? 'bios' : `uefi-${architecture}`;
  if (firmwares.length > 0 && !firmwares.some((one) => one === own)) {
    const what = `${name} ${version} boots on ${firmwares.join(' and ')}, and this machine is ${own}`;
    throw new PeerbootError('PB-IMAGE-FIRMWARE', what);
  }
  if (secureBoot && unsigned.some((one) => one === own)) {
    const what = `The boot program of ${name} ${version} is not signed, and this machine enforces Secure Boot`;
    throw new PeerbootError('PB-IMAGE-UNSIGNED', what);
  }
}

/** Image bytes that are read back in pieces; the withheld ends are read back when they are written. */
function provable({ slices, manifest }: ImageTables): number {
  let bytes = manifest.imageBytes;
  for (let row = 0; row < slices.rows; row++) {
    const slice = slices.row(row);
    if (slice.kind === 'data' && isWithheld(slice, manifest.imageBytes)) bytes -= slice.length;
  }
  return bytes;
}
